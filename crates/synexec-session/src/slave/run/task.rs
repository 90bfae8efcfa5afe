//! The task's processes, and the way to end them early: SIGTERM, and SIGKILL for a task that does not end after that.

use std::time::Duration;

use crate::slave::StopSignal;
use synexec_proto::defaults::STOP_GRACE;
use synexec_proto::time::MonotonicInstant;

/// Time between two checks for stragglers: processes that the task has left after its first process ended.
const STRAGGLER_INTERVAL: Duration = Duration::from_millis(50);

/// Longest time between two checks for stragglers. Each SIGKILL doubles the time, since a process that waits for a disk or
/// a file server may not end for hours.
const STRAGGLER_INTERVAL_MAX: Duration = Duration::from_secs(5);

/// Time between two checks for stragglers that are left to run.
const ORPHAN_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    #[default]
    Idle,
    /// It is to start at once, and is not held yet.
    Spawning {
        /// Whether it was told to stop, and so does not start at all.
        stopped: bool,
    },
    /// It was released, or waits for its instant; a signal reaches it either way.
    Running,
    Stopping(Stop),
    /// Its first process has ended, and its stragglers are left to run.
    Orphaned {
        check_at: MonotonicInstant,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    /// The next signal and its instant. After the last signal, SIGKILL is repeated for any straggler.
    next: Option<(MonotonicInstant, StopSignal)>,
    /// The next check for stragglers, once the first process has ended.
    check_at: Option<MonotonicInstant>,
    /// Time between this check and the one after it.
    interval: Duration,
    /// Whether the end of the stragglers is awaited.
    awaits_stragglers: bool,
}

/// The next thing to do for a task that is being stopped or has left stragglers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::slave) enum Due {
    Nothing,
    Signal(StopSignal),
    CheckStragglers,
    /// Send SIGTERM to the stragglers of a task that ended by itself.
    TerminateStragglers,
    /// Send SIGKILL to the stragglers, and check whether any is left.
    KillStragglers,
}

impl Task {
    pub(super) fn is_idle(self) -> bool {
        self == Self::Idle
    }

    pub(super) fn is_spawning(self) -> bool {
        matches!(self, Self::Spawning { .. })
    }

    /// Whether it was released and its progress can be sampled.
    pub(super) fn is_released(self) -> bool {
        matches!(self, Self::Running | Self::Stopping(_))
    }

    /// Whether its first process has not ended.
    pub(super) fn has_first_process(self) -> bool {
        matches!(self, Self::Spawning { .. } | Self::Running | Self::Stopping(Stop { check_at: None, .. }))
    }

    /// Whether the slave does not await the end of its stragglers.
    pub(super) fn ignores_stragglers(self) -> bool {
        matches!(self, Self::Stopping(Stop { awaits_stragglers: false, .. }))
    }

    /// Begins to stop the task.
    pub(super) fn stop(&mut self, now: MonotonicInstant) -> Due {
        match self {
            Self::Spawning { stopped } => *stopped = true,
            Self::Running => {
                let kill = (now.plus(STOP_GRACE), StopSignal::Kill);
                *self = Self::Stopping(Stop::new(Some(kill), None, true));
                return Due::Signal(StopSignal::Terminate);
            }
            Self::Idle | Self::Stopping(_) | Self::Orphaned { .. } => {}
        }
        Due::Nothing
    }

    /// Begins to stop the stragglers of a task that ended by itself.
    pub(super) fn stop_stragglers(&mut self, now: MonotonicInstant) {
        let terminate = (now, StopSignal::Terminate);
        *self = Self::Stopping(Stop::new(Some(terminate), Some(now), true));
    }

    /// Begins to await the end of the stragglers without stopping them.
    pub(super) fn await_stragglers(&mut self, now: MonotonicInstant) {
        *self = Self::Orphaned { check_at: now };
    }

    /// The first process has ended. Stragglers are awaited only if the task is being stopped.
    pub(super) fn ended(&mut self, now: MonotonicInstant, stragglers: bool) {
        match self {
            Self::Stopping(stop) if stragglers && stop.awaits_stragglers => {
                stop.check_at = Some(now.plus(STRAGGLER_INTERVAL));
            }
            _ => *self = Self::Idle,
        }
    }

    pub(super) fn deadline(self) -> Option<MonotonicInstant> {
        match self {
            Self::Stopping(stop) => stop.next.map(|(at, _)| at).into_iter().chain(stop.check_at).min(),
            Self::Orphaned { check_at } => Some(check_at),
            Self::Idle | Self::Spawning { .. } | Self::Running => None,
        }
    }

    pub(super) fn advance(&mut self, now: MonotonicInstant) -> Due {
        match self {
            Self::Stopping(stop) => stop.advance(now),
            Self::Orphaned { check_at } if now >= *check_at => {
                *check_at = now.plus(ORPHAN_INTERVAL);
                Due::CheckStragglers
            }
            Self::Idle | Self::Spawning { .. } | Self::Running | Self::Orphaned { .. } => Due::Nothing,
        }
    }

    /// Kills the task now. Its stragglers are not awaited.
    pub(super) fn kill(&mut self) -> Due {
        match self {
            Self::Idle => return Due::Nothing,
            Self::Spawning { stopped } => {
                *stopped = true;
                return Due::Nothing;
            }
            Self::Stopping(Stop { check_at: Some(_), .. }) | Self::Orphaned { .. } => *self = Self::Idle,
            Self::Running | Self::Stopping(_) => {
                *self = Self::Stopping(Stop::new(None, None, false));
            }
        }
        Due::Signal(StopSignal::Kill)
    }
}

impl Stop {
    fn new(
        next: Option<(MonotonicInstant, StopSignal)>,
        check_at: Option<MonotonicInstant>,
        awaits_stragglers: bool,
    ) -> Self {
        Self { next, check_at, interval: STRAGGLER_INTERVAL, awaits_stragglers }
    }

    fn advance(&mut self, now: MonotonicInstant) -> Due {
        if self.check_at.is_some_and(|at| now >= at) {
            self.check_at = Some(now.plus(self.interval));
            if self.next.is_some() {
                return Due::CheckStragglers;
            }
            self.interval = (self.interval * 2).min(STRAGGLER_INTERVAL_MAX);
            return Due::KillStragglers;
        }
        match self.next {
            Some((at, StopSignal::Terminate)) if now >= at => {
                self.next = Some((now.plus(STOP_GRACE), StopSignal::Kill));
                Due::TerminateStragglers
            }
            Some((at, StopSignal::Kill)) if now >= at => {
                self.next = None;
                Due::Signal(StopSignal::Kill)
            }
            _ => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: MonotonicInstant = MonotonicInstant::from_nanos(1_000_000_000);

    #[test]
    fn a_task_that_does_not_stop_is_killed_and_its_stragglers_with_it() {
        let mut task = Task::Running;
        assert_eq!(task.stop(START), Due::Signal(StopSignal::Terminate));
        assert_eq!(task.stop(START), Due::Nothing);
        assert_eq!((task.deadline(), task.advance(START)), (Some(START.plus(STOP_GRACE)), Due::Nothing));
        assert_eq!(task.advance(START.plus(STOP_GRACE)), Due::Signal(StopSignal::Kill));
        task.ended(START, true);
        assert!(!task.is_idle() && !task.has_first_process());
        assert_eq!(task.advance(START.plus(STRAGGLER_INTERVAL)), Due::KillStragglers);
        task.ended(START, false);
        assert!(task.is_idle());
    }

    #[test]
    fn stragglers_are_awaited_only_if_the_task_is_being_stopped() {
        let mut task = Task::Running;
        task.ended(START, true);
        assert!(task.is_idle());
        task.stop_stragglers(START);
        assert_eq!(task.advance(START), Due::CheckStragglers);
        assert_eq!(task.advance(START), Due::TerminateStragglers);
        assert_eq!(task.kill(), Due::Signal(StopSignal::Kill));
        assert!(task.is_idle());
    }

    #[test]
    fn a_straggler_that_cannot_be_killed_is_killed_again_less_and_less_often() {
        let mut task = Task::Running;
        task.stop(START);
        task.advance(START.plus(STOP_GRACE));
        task.ended(START, true);
        let mut at = START;
        let pauses = [(); 10].map(|()| {
            let due = task.deadline().unwrap();
            let pause = due.since(at).as_millis();
            assert_eq!(
                (task.advance(due.minus(Duration::from_nanos(1))), task.advance(due)),
                (Due::Nothing, Due::KillStragglers)
            );
            at = due;
            pause
        });
        assert_eq!(pauses, [50, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn a_task_that_is_killed_is_not_asked_for_its_stragglers() {
        let mut task = Task::Running;
        assert_eq!(task.kill(), Due::Signal(StopSignal::Kill));
        assert!(task.ignores_stragglers());
        task.ended(START, true);
        assert!(task.is_idle());
    }

    #[test]
    fn a_task_that_is_stopped_before_it_is_held_gets_no_signal() {
        let mut task = Task::Spawning { stopped: false };
        assert_eq!(task.stop(START), Due::Nothing);
        assert_eq!(task, Task::Spawning { stopped: true });
        assert_eq!((task.kill(), task.deadline()), (Due::Nothing, None));
    }
}
