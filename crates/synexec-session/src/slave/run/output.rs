//! The output of the task that ran last, and the piece of it that the master waits for.

use std::time::Duration;

use synexec_proto::message::{Fetch, Reason};
use synexec_proto::time::MonotonicInstant;

/// Time between two looks at an output in which the master waits for something new.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Output {
    /// Whether a task was started and its output was not discarded.
    exists: bool,
    awaited: Option<AwaitedPiece>,
}

/// A piece that the master waits for.
#[derive(Debug)]
struct AwaitedPiece {
    fetch: Fetch,
    look_at: MonotonicInstant,
}

impl Output {
    /// The output of a task that starts.
    pub(super) fn of_new_task() -> Self {
        Self { exists: true, awaited: None }
    }

    /// Checks whether there is any output to fetch.
    pub(super) fn check(&self) -> Result<(), Reason> {
        if self.exists { Ok(()) } else { Err(Reason::new("there is no output: no task was started")) }
    }

    /// The master waits for a piece that is not there yet.
    pub(super) fn wait(&mut self, now: MonotonicInstant, fetch: Fetch) {
        self.awaited = Some(AwaitedPiece { fetch, look_at: now.plus(LOOK_INTERVAL) });
    }

    /// Takes the piece that the master waits for; none is awaited after this.
    pub(super) fn take_awaited(&mut self) -> Option<Fetch> {
        self.awaited.take().map(|awaited| awaited.fetch)
    }

    /// Takes the awaited piece of output if it is time to look again.
    pub(super) fn take_due(&mut self, now: MonotonicInstant) -> Option<Fetch> {
        self.awaited.take_if(|awaited| now >= awaited.look_at).map(|awaited| awaited.fetch)
    }

    pub(super) fn deadline(&self) -> Option<MonotonicInstant> {
        self.awaited.as_ref().map(|awaited| awaited.look_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: MonotonicInstant = MonotonicInstant::from_nanos(1_000_000_000);

    #[test]
    fn an_awaited_piece_is_looked_for_again_and_again() {
        let mut output = Output::of_new_task();
        let fetch = Fetch { offset: 3, length: 9, follow: true, ..Fetch::default() };
        output.wait(START, fetch);
        let due = START.plus(LOOK_INTERVAL);
        assert_eq!((output.take_due(START), output.deadline()), (None, Some(due)));
        assert_eq!((output.take_due(due), output.deadline()), (Some(fetch), None));
    }

    #[test]
    fn there_is_no_output_before_a_task_was_started() {
        assert!(Output::default().check().is_err() && Output::of_new_task().check().is_ok());
    }
}
