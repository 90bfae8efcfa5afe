//! Whether a process of the world runs.

use synexec_proto::time::MonotonicInstant;

/// Whether a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// It has not started yet, or it has ended.
    Absent,
    /// It runs.
    Running,
    /// It is stopped, as by SIGSTOP, until this instant.
    Frozen(MonotonicInstant),
}

impl ProcessState {
    /// Whether the process exists, also if it is stopped.
    pub fn is_alive(self) -> bool {
        self != Self::Absent
    }

    /// Stops a process that exists until an instant.
    pub fn freeze(&mut self, until: MonotonicInstant) {
        if self.is_alive() {
            *self = Self::Frozen(until);
        }
    }

    /// When the process notices its deadline.
    pub fn notices(self, deadline: Option<MonotonicInstant>) -> Option<MonotonicInstant> {
        match self {
            Self::Absent => None,
            Self::Running => deadline,
            Self::Frozen(until) => deadline.map(|deadline| deadline.max(until)),
        }
    }
}
