//! Why tasks are stopped though neither their time is over nor the user asks for an end.

use std::fmt;

use super::SlaveLabel;

/// What happened to one slave, so that the tasks of the other slaves are stopped.
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
