//! How a task ended.

use std::fmt;

/// How the first process of a task ended, as wait(2) reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// The process exited with this status.
    Exited(u8),
    /// This signal killed the process.
    Killed(u8),
}

impl TaskEnd {
    /// The status that a shell reports for such an end: the exit status, or 128 plus the number of the signal.
    pub fn shell_status(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Killed(signal) => signal.saturating_add(128),
        }
    }
}

impl fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited {status}"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}
