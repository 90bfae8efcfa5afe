//! The task's life as the slave sees it, and the way to end it early: SIGTERM, and SIGKILL when that has not helped.

use std::time::Duration;

use super::StopSignal;
use synexec_proto::defaults::STOP_GRACE;
use synexec_proto::time::MonotonicInstant;

/// How often it is looked whether anybody is left of the task's family, once its first process has ended.
const STRAGGLER_INTERVAL: Duration = Duration::from_millis(50);

/// The same while they are left to run.
const ORPHAN_INTERVAL: Duration = Duration::from_secs(1);

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
    /// Its first process has ended, and the others are left to run.
    Left {
        check_at: MonotonicInstant,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    /// The signal that comes next. When the last one was sent, it is sent again to whoever is still there.
    next: Option<(MonotonicInstant, StopSignal)>,
    /// From the end of the first process on: when to look for the others.
    check_at: Option<MonotonicInstant>,
    /// Whether the end of the others is waited for.
    is_patient: bool,
}

/// What a task that is being stopped needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Signal(StopSignal),
    Check,
    /// To tell who is left of a task that ended by itself to end.
    EndRest,
    /// To kill who is left, and see whether that was the last.
    KillRest,
}

impl Task {
    pub(super) fn is_idle(self) -> bool {
        self == Self::Idle
    }

    /// Whether it has a first process that has not ended.
    pub(super) fn runs(self) -> bool {
        matches!(self, Self::Spawning { .. } | Self::Running | Self::Stopping(Stop { check_at: None, .. }))
    }

    /// Whether nobody waits for what it may leave.
    pub(super) fn is_hurried(self) -> bool {
        matches!(self, Self::Stopping(Stop { is_patient: false, .. }))
    }

    /// Begins to stop the task; gives the signal to send now.
    pub(super) fn stop(&mut self, now: MonotonicInstant) -> Due {
        match self {
            Self::Spawning { stopped } => *stopped = true,
            Self::Running => {
                let kill = (now.plus(STOP_GRACE), StopSignal::Kill);
                *self = Self::Stopping(Stop { next: Some(kill), check_at: None, is_patient: true });
                return Due::Signal(StopSignal::Terminate);
            }
            Self::Idle | Self::Stopping(_) | Self::Left { .. } => {}
        }
        Due::Nothing
    }

    /// Begins to end what a task has left that ended by itself, if that is still there.
    pub(super) fn end_rest(&mut self, now: MonotonicInstant) {
        let terminate = (now, StopSignal::Terminate);
        *self = Self::Stopping(Stop { next: Some(terminate), check_at: Some(now), is_patient: true });
    }

    /// Begins to wait for the end of what such a task has left.
    pub(super) fn await_rest(&mut self, now: MonotonicInstant) {
        *self = Self::Left { check_at: now };
    }

    /// The first process has ended. Others are waited for only where the task is being stopped.
    pub(super) fn ended(&mut self, now: MonotonicInstant, stragglers: bool) {
        match self {
            Self::Stopping(stop) if stragglers && stop.is_patient => {
                stop.check_at = Some(now.plus(STRAGGLER_INTERVAL));
            }
            _ => *self = Self::Idle,
        }
    }

    pub(super) fn deadline(self) -> Option<MonotonicInstant> {
        match self {
            Self::Stopping(stop) => stop.next.map(|(at, _)| at).into_iter().chain(stop.check_at).min(),
            Self::Left { check_at } => Some(check_at),
            Self::Idle | Self::Spawning { .. } | Self::Running => None,
        }
    }

    pub(super) fn advance(&mut self, now: MonotonicInstant) -> Due {
        match self {
            Self::Stopping(stop) => stop.advance(now),
            Self::Left { check_at } if now >= *check_at => {
                *check_at = now.plus(ORPHAN_INTERVAL);
                Due::Check
            }
            Self::Idle | Self::Spawning { .. } | Self::Running | Self::Left { .. } => Due::Nothing,
        }
    }

    /// Does not wait any longer, nor look whether that has helped.
    pub(super) fn kill(&mut self) -> Due {
        match self {
            Self::Idle => return Due::Nothing,
            Self::Spawning { stopped } => {
                *stopped = true;
                return Due::Nothing;
            }
            Self::Stopping(Stop { check_at: Some(_), .. }) | Self::Left { .. } => *self = Self::Idle,
            Self::Running | Self::Stopping(_) => {
                *self = Self::Stopping(Stop { next: None, check_at: None, is_patient: false });
            }
        }
        Due::Signal(StopSignal::Kill)
    }
}

impl Stop {
    fn advance(&mut self, now: MonotonicInstant) -> Due {
        if self.check_at.is_some_and(|at| now >= at) {
            self.check_at = Some(now.plus(STRAGGLER_INTERVAL));
            return if self.next.is_some() { Due::Check } else { Due::KillRest };
        }
        match self.next {
            Some((at, StopSignal::Terminate)) if now >= at => {
                self.next = Some((now.plus(STOP_GRACE), StopSignal::Kill));
                Due::EndRest
            }
            Some((at, StopSignal::Kill)) if now >= at => {
                self.next = None;
                Due::Signal(StopSignal::Kill)
            }
            _ => Due::Nothing,
        }
    }
}
