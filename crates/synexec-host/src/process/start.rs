//! When a released task really started.
//!
//! A released process is only ready to run: on a busy host it waits for a core. The kernel counts how long each thread
//! has waited, and how often it came to run, in `/proc/PID/schedstat` (Documentation/scheduler/sched-stats.rst). A
//! short look after the release therefore tells the first instruction's time, without touching the task.

use std::time::Duration;

use nix::unistd::Pid;
use synexec_proto::time::MonotonicInstant;

use super::schedstat::{Counts, Schedstat};
use super::stat;
use super::task::Task;
use crate::clock::monotonic_now;

/// A ready task that has run for less time may have lost its core before its first instruction.
const BEGUN: Duration = Duration::from_micros(100);

/// The same for a task that executed its program after the release.
const EXECUTED: Duration = Duration::from_millis(2);

/// What is left of exec when it has closed the files that are to be closed.
const EXEC_REST: Duration = Duration::from_micros(300);

/// Longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// When a task started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// When the task was released.
    pub released: MonotonicInstant,
    /// When the task ran its first instruction.
    pub at: MonotonicInstant,
    /// The most by which the true start can differ from `at`, either way.
    pub uncertainty: Duration,
}

/// A release whose start has not been observed yet.
#[derive(Debug)]
pub struct Release {
    pub(super) how: How,
    /// The earliest instant at which the task was released.
    pub(super) at: MonotonicInstant,
    /// The latest instant at which the task was released.
    pub(super) until: MonotonicInstant,
    pub(super) first_run: FirstRun,
}

/// How a task was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It went on from its first instruction.
    Resumed,
    /// It executed its program.
    Executed,
}

impl Release {
    /// When the task was let go.
    pub fn at(&self) -> MonotonicInstant {
        self.at
    }

    /// Learns when the task started, by looking at it now, and where it has not run yet, again after `pause`, twice
    /// that time, and so on. None when it ended without having run.
    pub fn observe(self, task: &Task, pause: Duration) -> Option<Start> {
        let Wait { least, likely, most } = self.first_run.observe(task, self.how, self.at, pause)?;
        let (earliest, at, latest) = match self.how {
            How::Resumed => (self.at.plus(least), self.at.plus(likely), self.until.plus(most)),
            How::Executed => (self.at, self.until.plus(likely), self.until.plus(most).plus(EXEC_REST)),
        };
        Some(Start { released: self.at, at, uncertainty: at.since(earliest).max(latest.since(at)) })
    }
}

/// Waits for a stopped process to run again.
#[derive(Debug, Default)]
pub(super) struct FirstRun {
    schedstat: Option<Schedstat>,
    before: Counts,
}

/// What a look at a task has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Started(Wait),
    NotYet,
}

/// Time from the release to the first instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    least: Duration,
    likely: Duration,
    most: Duration,
}

impl FirstRun {
    /// Starts to watch a process that is stopped.
    pub(super) fn of_stopped(pid: Pid) -> Self {
        let schedstat = Schedstat::open(pid);
        let before = schedstat.as_ref().and_then(Schedstat::read).unwrap_or_default();
        Self { schedstat, before }
    }

    fn observe(self, task: &Task, how: How, released: MonotonicInstant, mut pause: Duration) -> Option<Wait> {
        let mut has_ended = task.wait_for(Duration::ZERO);
        loop {
            let counts = self.schedstat.as_ref().and_then(Schedstat::read);
            let since = counts.filter(|counts| counts.runs > 0).map(|counts| counts.since(self.before));
            let wants_core = stat::state(task.group().0) == Some('R');
            match judge(since, how, wants_core, monotonic_now().since(released)) {
                Look::Started(wait) => return Some(wait),
                Look::NotYet if has_ended => return None,
                Look::NotYet => has_ended = task.wait_for(pause),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// What the counts since the release say of a task that was let go this long ago. Where the kernel does not count, a
/// task has started by the time at which it is seen to wait for something else than a core.
fn judge(since: Option<Counts>, how: How, wants_core: bool, ago: Duration) -> Look {
    let enough = if how == How::Resumed { BEGUN } else { EXECUTED };
    match since {
        None if wants_core => Look::NotYet,
        None => Look::Started(Wait { least: Duration::ZERO, likely: Duration::ZERO, most: ago }),
        Some(counts) if counts.runs == 0 || counts.ran < enough && wants_core => Look::NotYet,
        Some(Counts { waited, runs: 1, .. }) => Look::Started(Wait { least: waited, likely: waited, most: waited }),
        // The first wait is not known from the later ones, so it is taken to be as long as they are on average.
        Some(Counts { waited, runs, .. }) => {
            let likely = waited / u32::try_from(runs).unwrap_or(u32::MAX);
            Look::Started(Wait { least: Duration::ZERO, likely, most: waited })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGO: Duration = Duration::from_micros(900);

    fn counts(ran: u64, waited: u64, runs: u64) -> Counts {
        let [ran, waited] = [ran, waited].map(Duration::from_micros);
        Counts { ran, waited, runs }
    }

    fn started(times: [u64; 3]) -> Look {
        let [least, likely, most] = times.map(Duration::from_micros);
        Look::Started(Wait { least, likely, most })
    }

    #[test]
    fn the_first_wait_is_known_when_there_was_only_one() {
        assert_eq!(judge(Some(counts(500, 70, 1)), How::Resumed, true, AGO), started([70; 3]));
        assert_eq!(judge(Some(counts(10, 70, 1)), How::Resumed, false, AGO), started([70; 3]));
        assert_eq!(judge(Some(counts(500, 60, 3)), How::Resumed, true, AGO), started([0, 20, 60]));
    }

    #[test]
    fn one_that_has_not_run_or_hardly_and_wants_to_is_looked_at_again() {
        assert_eq!(judge(Some(counts(0, 0, 0)), How::Resumed, true, AGO), Look::NotYet);
        assert_eq!(judge(Some(counts(2, 0, 1)), How::Resumed, true, AGO), Look::NotYet);
        assert_eq!(judge(Some(counts(500, 0, 1)), How::Executed, true, AGO), Look::NotYet);
    }

    #[test]
    fn where_nothing_is_counted_the_look_itself_is_the_bound() {
        assert_eq!(judge(None, How::Resumed, false, AGO), started([0, 0, 900]));
        assert_eq!(judge(None, How::Resumed, true, AGO), Look::NotYet);
    }
}
