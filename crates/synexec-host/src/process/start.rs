//! When a released task really started.
//!
//! A released process is only ready to run: on a busy host it waits for a core. The kernel counts how long each thread
//! has waited, and how often it came to run, in `/proc/PID/schedstat` (Documentation/scheduler/sched-stats.rst). A
//! short look after the release therefore tells the first instruction's time, without touching the task.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::unistd::Pid;
use synexec_proto::time::MonotonicInstant;

use super::{Task, stat};

/// A task that has run for less, and wants to go on, may have lost its core again before its first instruction.
const STARTED: Duration = Duration::from_micros(100);

/// Longest that a task's first instruction is waited for.
const LONGEST: Duration = Duration::from_secs(1);

/// When a task started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// When it was released.
    pub released: MonotonicInstant,
    /// When it ran its first instruction.
    pub at: MonotonicInstant,
    /// How far the true start can be from that, either way.
    pub uncertainty: Duration,
}

/// A release, of which the start is still to be learned.
#[derive(Debug)]
pub enum Release {
    /// It was stopped at its first instruction.
    Resumed {
        /// When it was let go.
        at: MonotonicInstant,
        /// What tells when it ran.
        first_run: FirstRun,
    },
    /// It has executed its program since.
    Executed {
        /// When it was let go.
        at: MonotonicInstant,
        /// When exec was over.
        executed: MonotonicInstant,
    },
}

impl Release {
    /// When it was let go.
    pub fn at(&self) -> MonotonicInstant {
        match self {
            Self::Resumed { at, .. } | Self::Executed { at, .. } => *at,
        }
    }

    /// Learns when the task started, by looking at it now, and where it has not run yet, again after `pause`, twice that
    /// time, and so on, for a second or two.
    pub fn observe(self, task: &Task, pause: Duration) -> Start {
        match self {
            Self::Resumed { at, first_run } => {
                let [least, most] = first_run.observe(task, pause);
                let half = most.saturating_sub(least) / 2;
                Start { released: at, at: at.plus(least + half), uncertainty: half }
            }
            Self::Executed { at, executed } => Start { released: at, at: executed, uncertainty: executed.since(at) },
        }
    }
}

/// Waits for a stopped process to run again.
#[derive(Debug, Default)]
pub struct FirstRun {
    schedstat: Option<File>,
    before: Option<Schedstat>,
}

/// What the kernel counts of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Schedstat {
    /// Time that it had a core.
    ran: Duration,
    /// Time that it was ready and had no core.
    waited: Duration,
    /// How often it came to run.
    runs: u64,
}

impl FirstRun {
    /// Of a process that is stopped now.
    pub(super) fn of_stopped(pid: Pid) -> Self {
        let schedstat = File::open(format!("/proc/{pid}/schedstat")).ok();
        let before = schedstat.as_ref().and_then(Schedstat::read);
        Self { schedstat, before }
    }

    /// The least and the most time that may have passed from the release to the first instruction. When the task has
    /// come to run more than once before it was looked at, the first wait is not known from the others. A kernel that
    /// does not count leaves both zero.
    fn observe(self, task: &Task, mut pause: Duration) -> [Duration; 2] {
        let (Some(file), Some(before)) = (self.schedstat, self.before) else { return [Duration::ZERO; 2] };
        while let Some(now) = Schedstat::read(&file) {
            let since = now.since(before);
            match since.runs {
                0 | 1 if since.may_not_have_started(task) && pause < LONGEST => {
                    task.wait_for(pause);
                    pause *= 2;
                }
                0 => break,
                1 => return [since.waited; 2],
                _ => return [Duration::ZERO, since.waited],
            }
        }
        [Duration::ZERO; 2]
    }
}

impl Schedstat {
    fn since(self, before: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(before.ran),
            waited: self.waited.saturating_sub(before.waited),
            runs: self.runs.saturating_sub(before.runs),
        }
    }

    /// Whether a task for which this was counted since its release may still be waiting for a core to begin on.
    fn may_not_have_started(self, task: &Task) -> bool {
        self.ran < STARTED && stat::state(task.group().0) == Some('R')
    }

    fn read(file: &File) -> Option<Self> {
        let mut text = [0; 128];
        let length = file.read_at(&mut text, 0).ok()?;
        Self::parse(std::str::from_utf8(text.get(..length)?).ok()?)
    }

    /// Three numbers: nanoseconds on a core, nanoseconds of waiting for one, and times that it got one.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse);
        let (ran, waited, runs) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let [ran, waited] = [ran.ok()?, waited.ok()?].map(Duration::from_nanos);
        Some(Self { ran, waited, runs: runs.ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read() {
        let stat = Schedstat { ran: Duration::from_nanos(340_545), waited: Duration::from_nanos(17), runs: 3 };
        assert_eq!(Schedstat::parse("340545 17 3\n"), Some(stat));
        assert_eq!(Schedstat::parse("340545"), None);
        assert_eq!(Schedstat::parse("a b c"), None);
    }
}
