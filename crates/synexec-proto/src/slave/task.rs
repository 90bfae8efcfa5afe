//! The task's life as the slave sees it, and the way to end it early: SIGTERM, and SIGKILL when that has not helped.

use std::time::Duration;

use super::StopSignal;
use crate::session::STOP_GRACE;
use crate::time::MonotonicInstant;

/// How often the process group is looked at, once its first process has ended and others are left.
const STRAGGLER_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    #[default]
    Idle,
    /// It is to start at once, and is not held yet.
    Spawning {
        /// Whether it is not wanted any more, and so is not to start at all.
        stopped: bool,
    },
    /// It was released, or waits for its instant; a signal reaches it either way.
    Running,
    Stopping(Stop),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    kill_at: Option<MonotonicInstant>,
    /// From the end of the first process on: when to look for the others.
    check_at: Option<MonotonicInstant>,
}

/// What a task that is being stopped needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Signal(StopSignal),
    Check,
}

impl Task {
    pub(super) fn is_idle(self) -> bool {
        self == Self::Idle
    }

    /// Begins to stop the task; gives the signal to send now.
    pub(super) fn stop(&mut self, now: MonotonicInstant) -> Due {
        match self {
            Self::Spawning { stopped } => *stopped = true,
            Self::Running => {
                *self = Self::Stopping(Stop { kill_at: Some(now.plus(STOP_GRACE)), check_at: None });
                return Due::Signal(StopSignal::Terminate);
            }
            Self::Idle | Self::Stopping(_) => {}
        }
        Due::Nothing
    }

    /// The first process has ended. Others are waited for only where the task is being stopped.
    pub(super) fn ended(&mut self, now: MonotonicInstant, stragglers: bool) {
        match self {
            Self::Stopping(stop) if stragglers && stop.kill_at.is_some() => {
                stop.check_at = Some(now.plus(STRAGGLER_INTERVAL));
            }
            _ => *self = Self::Idle,
        }
    }

    pub(super) fn deadline(self) -> Option<MonotonicInstant> {
        let Self::Stopping(stop) = self else {
            return None;
        };
        stop.kill_at.into_iter().chain(stop.check_at).min()
    }

    pub(super) fn advance(&mut self, now: MonotonicInstant) -> Due {
        let Self::Stopping(stop) = self else {
            return Due::Nothing;
        };
        if stop.kill_at.is_some_and(|at| now >= at) {
            return self.kill();
        }
        if stop.check_at.is_some_and(|at| now >= at) {
            stop.check_at = Some(now.plus(STRAGGLER_INTERVAL));
            return Due::Check;
        }
        Due::Nothing
    }

    /// Does not wait any longer: SIGKILL cannot be ignored, so stragglers need no further look.
    pub(super) fn kill(&mut self) -> Due {
        match self {
            Self::Idle => return Due::Nothing,
            Self::Spawning { stopped } => {
                *stopped = true;
                return Due::Nothing;
            }
            Self::Stopping(Stop { check_at: Some(_), .. }) => *self = Self::Idle,
            Self::Running | Self::Stopping(_) => *self = Self::Stopping(Stop { kill_at: None, check_at: None }),
        }
        Due::Signal(StopSignal::Kill)
    }
}
