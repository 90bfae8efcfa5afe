//! The command that a task runs.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;

use crate::environment::Environment;
use crate::identity::Identity;

/// The command that a task runs, with its environment, output and user.
#[derive(Debug)]
pub struct TaskCommand {
    /// The file to execute.
    pub program: PathBuf,
    /// The argument vector. Its first entry is the name that the program sees as its own.
    pub arguments: Vec<OsString>,
    /// All variables of the task, except for the keeper's mark.
    pub environment: Environment,
    /// The file that stdout is written to, and stderr as well.
    pub output: File,
    /// The file that stderr is written to in place of the output, if it is kept apart.
    pub errors: Option<File>,
    /// The user to run the task as, if that is another user.
    pub identity: Option<Identity>,
    /// A file that the task must be able to read, if it has a payload.
    pub payload: Option<PathBuf>,
}
