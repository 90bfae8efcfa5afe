//! The output of the task that ran last, piece by piece as the master asks for it.

use std::time::Duration;

use super::Slave;
use crate::slave::Action;
use synexec_proto::message::{Feature, Fetch, Message, Reason};
use synexec_proto::time::MonotonicInstant;

/// How often a file is looked at in which the master waits for something new.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What there is to give, and what the master waits for.
#[derive(Debug, Default)]
pub(super) struct OutputState {
    /// Whether a task was started whose output has not been discarded.
    is_there: bool,
    awaited: Option<Fetch>,
    next_look: Option<MonotonicInstant>,
}

impl OutputState {
    /// A task starts, and the output is a new one.
    pub(super) fn begin(&mut self) {
        *self = Self { is_there: true, ..Self::default() };
    }

    /// Nobody is there any more to whom it could be given.
    pub(super) fn forget_fetch(&mut self) {
        (self.awaited, self.next_look) = (None, None);
    }

    pub(super) fn deadline(&self) -> Option<MonotonicInstant> {
        self.next_look
    }
}

impl Slave {
    pub(super) fn fetch(&mut self, fetch: Fetch) {
        if self.output.is_there {
            self.give(fetch);
        } else {
            self.refuse_output(Reason::new("there is no output: no task was started"));
        }
    }

    pub(super) fn advance_output(&mut self, now: MonotonicInstant) {
        if self.output.next_look.is_some_and(|at| now >= at) {
            self.give_rest();
        }
    }

    /// Gives what the master waits for, if there is something now.
    pub(super) fn give_rest(&mut self) {
        if let Some(fetch) = self.output.awaited.take() {
            self.give(fetch);
        }
    }

    pub(super) fn no_output_yet(&mut self, now: MonotonicInstant, fetch: Fetch) {
        (self.output.awaited, self.output.next_look) = (Some(fetch), Some(now.plus(LOOK_INTERVAL)));
    }

    pub(super) fn refuse_output(&mut self, reason: Reason) {
        self.output.forget_fetch();
        if self.agreed(Feature::Outputs) {
            self.send(Message::OutputNo(Some(reason)));
        }
    }

    fn give(&mut self, fetch: Fetch) {
        self.output.forget_fetch();
        self.push(Action::SendOutput { fetch, is_over: self.task.is_idle() });
    }
}
