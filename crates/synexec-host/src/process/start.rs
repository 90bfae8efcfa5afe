//! Measuring when a released task started.
//!
//! A released process is only ready to run: on a busy host, the process waits for a core. In `/proc/PID/schedstat`, the
//! kernel counts how long each thread has waited for a core, and how many times the thread got one
//! (Documentation/scheduler/sched-stats.rst). These counts, read shortly after the release, give the time of the first
//! instruction, and reading them does not disturb the task.

use std::time::Duration;

use nix::unistd::Pid;
use synexec_proto::time::MonotonicInstant;

use super::schedstat::{SchedCounts, Schedstat};
use super::stat;
use super::task::Task;
use crate::clock::monotonic_now;

/// A resumed task that has run for at least this time has reached its first instruction. With less time, the task may
/// have lost its core before.
const RESUMED_MIN: Duration = Duration::from_micros(100);

/// The same time for a task that executed its program after the release.
const EXECUTED_MIN: Duration = Duration::from_millis(2);

/// Time that exec still takes after it has closed the close-on-exec files.
const EXEC_REST: Duration = Duration::from_micros(300);

/// Longest pause between two readings of the counts.
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
    pub(super) kind: ReleaseKind,
    /// The earliest instant at which the task was released.
    pub(super) at: MonotonicInstant,
    /// The latest instant at which the task was released.
    pub(super) until: MonotonicInstant,
    pub(super) first_run: FirstRun,
}

/// The two ways to release a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReleaseKind {
    /// The task was stopped at its first instruction, and was resumed.
    Resumed,
    /// The task was at the gate, and executed its program.
    Executed,
}

impl Release {
    /// The earliest instant at which the task was released.
    pub fn at(&self) -> MonotonicInstant {
        self.at
    }

    /// Measures when the task started. Reads the counts now; until the task has run, reads them again after `pause`,
    /// twice that time, and so on. None if the task ended without having run.
    pub fn observe(self, task: &Task, pause: Duration) -> Option<Start> {
        let StartDelay { least, likely, most } = self.first_run.observe(task, self.kind, self.at, pause)?;
        let (earliest, at, latest) = match self.kind {
            ReleaseKind::Resumed => (self.at.plus(least), self.at.plus(likely), self.until.plus(most)),
            ReleaseKind::Executed => (self.at, self.until.plus(likely), self.until.plus(most).plus(EXEC_REST)),
        };
        Some(Start { released: self.at, at, uncertainty: at.since(earliest).max(latest.since(at)) })
    }
}

/// Observes when a stopped process runs again. Without `schedstat`, the kernel does not count.
#[derive(Debug, Default)]
pub(super) struct FirstRun {
    schedstat: Option<Schedstat>,
    before: SchedCounts,
}

/// The result of one reading of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The task has started, after this delay.
    Started(StartDelay),
    /// The task may not have started.
    NotYet,
}

/// Time from the release to the first instruction: an estimate with its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StartDelay {
    least: Duration,
    likely: Duration,
    most: Duration,
}

impl FirstRun {
    /// Starts to observe a process that is stopped.
    pub(super) fn of_stopped(pid: Pid) -> Self {
        let schedstat = Schedstat::open(pid);
        let before = schedstat.as_ref().and_then(Schedstat::read).unwrap_or_default();
        Self { schedstat, before }
    }

    fn observe(
        self,
        task: &Task,
        kind: ReleaseKind,
        released: MonotonicInstant,
        mut pause: Duration,
    ) -> Option<StartDelay> {
        let mut has_ended = task.wait_for(Duration::ZERO);
        loop {
            let counts = self.schedstat.as_ref().and_then(Schedstat::read);
            let since = counts.filter(|counts| counts.runs > 0).map(|counts| counts.since(self.before));
            let wants_core = stat::state(task.group().0) == Some('R');
            match judge(since, kind, wants_core, monotonic_now().since(released)) {
                Reading::Started(delay) => return Some(delay),
                Reading::NotYet if has_ended => return None,
                Reading::NotYet => has_ended = task.wait_for(pause),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Judges from the counts since the release whether a task has started. `ago` is the time since the release. Where the
/// kernel does not count, the task has started if it neither runs nor waits for a core.
fn judge(since: Option<SchedCounts>, kind: ReleaseKind, wants_core: bool, ago: Duration) -> Reading {
    let enough = if kind == ReleaseKind::Resumed { RESUMED_MIN } else { EXECUTED_MIN };
    match since {
        None if wants_core => Reading::NotYet,
        None => Reading::Started(StartDelay { least: Duration::ZERO, likely: Duration::ZERO, most: ago }),
        Some(counts) if counts.runs == 0 || counts.ran < enough && wants_core => Reading::NotYet,
        Some(SchedCounts { waited, runs: 1, .. }) => {
            Reading::Started(StartDelay { least: waited, likely: waited, most: waited })
        }
        // Only the sum of all waits is known. The estimate of the first wait is the average of all waits.
        Some(SchedCounts { waited, runs, .. }) => {
            let likely = waited / u32::try_from(runs).unwrap_or(u32::MAX);
            Reading::Started(StartDelay { least: Duration::ZERO, likely, most: waited })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGO: Duration = Duration::from_micros(900);

    fn counts(ran: u64, waited: u64, runs: u64) -> SchedCounts {
        let [ran, waited] = [ran, waited].map(Duration::from_micros);
        SchedCounts { ran, waited, runs }
    }

    fn started(times: [u64; 3]) -> Reading {
        let [least, likely, most] = times.map(Duration::from_micros);
        Reading::Started(StartDelay { least, likely, most })
    }

    #[test]
    fn the_first_wait_is_known_when_there_was_only_one() {
        assert_eq!(judge(Some(counts(500, 70, 1)), ReleaseKind::Resumed, true, AGO), started([70; 3]));
        assert_eq!(judge(Some(counts(10, 70, 1)), ReleaseKind::Resumed, false, AGO), started([70; 3]));
        assert_eq!(judge(Some(counts(500, 60, 3)), ReleaseKind::Resumed, true, AGO), started([0, 20, 60]));
    }

    #[test]
    fn a_ready_task_that_has_hardly_run_has_not_started() {
        assert_eq!(judge(Some(counts(0, 0, 0)), ReleaseKind::Resumed, true, AGO), Reading::NotYet);
        assert_eq!(judge(Some(counts(2, 0, 1)), ReleaseKind::Resumed, true, AGO), Reading::NotYet);
        assert_eq!(judge(Some(counts(500, 0, 1)), ReleaseKind::Executed, true, AGO), Reading::NotYet);
    }

    #[test]
    fn without_counts_the_time_of_the_reading_is_the_bound() {
        assert_eq!(judge(None, ReleaseKind::Resumed, false, AGO), started([0, 0, 900]));
        assert_eq!(judge(None, ReleaseKind::Resumed, true, AGO), Reading::NotYet);
    }
}
