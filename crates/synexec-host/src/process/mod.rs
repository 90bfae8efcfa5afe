//! A task: a process with a session and process group of its own, made ready first and started later; and what comes
//! from it.

mod child;
mod children;
mod control_group;
pub mod family;
mod group;
mod hold;
mod interpreter;
pub mod keeper;
mod privileges;
mod raw;
mod refusal;
mod sample;
mod schedstat;
mod start;
mod stat;
mod task;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;

use crate::identity::Identity;

pub use children::adopt_orphans;
pub use group::ProcessGroup;
pub use hold::HeldTask;
pub use sample::Sample;
pub(crate) use sample::ticks;
pub use start::{Release, Start};
pub use task::Task;

/// What to start.
#[derive(Debug)]
pub struct TaskCommand {
    /// The file to execute.
    pub program: PathBuf,
    /// Its arguments, of which the first is its name.
    pub arguments: Vec<OsString>,
    /// What its environment has beyond ours.
    pub environment: Vec<(&'static str, OsString)>,
    /// Where its stdout and stderr go.
    pub output: File,
    /// Who it runs as, where that is another user; then it has a login's environment in place of ours.
    pub identity: Option<Identity>,
    /// A file that it is to read, if there is one.
    pub payload: Option<PathBuf>,
}
