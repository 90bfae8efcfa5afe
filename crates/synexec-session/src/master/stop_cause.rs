//! Which slave is the reason for which the master stops the tasks of the other slaves.

use std::fmt;

use super::SlaveLabel;

/// What happened to one slave, and made the master stop the tasks of the other slaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopCause {
    /// The slave is lost.
    Loss(SlaveLabel),
    /// The slave's task has failed, or could not be started.
    Failure(SlaveLabel),
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss(slave) => write!(f, "the loss of {}", slave.shown),
            Self::Failure(slave) => write!(f, "the failure of {}", slave.shown),
        }
    }
}
