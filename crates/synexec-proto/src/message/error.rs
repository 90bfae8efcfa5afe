//! Why a message cannot be read.

use thiserror::Error;

use crate::wire::{Command, LayoutError};

/// The data of a message do not have the layout of their command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the peer's {command:?} cannot be read: {why}")]
pub struct MessageError {
    /// The command of the message.
    pub command: Command,
    /// What is wrong with the data.
    pub why: LayoutError,
}
