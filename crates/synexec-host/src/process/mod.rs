//! Tasks and their descendants. A task is a process with its own session and process group. It is held ready first, and
//! released later.

mod child;
mod child_failure;
mod children;
mod command;
mod control_group;
mod descendants;
mod group;
mod hold;
mod interpreter;
pub mod keeper;
mod privileges;
mod sample;
mod schedstat;
mod start;
mod stat;
mod syscalls;
mod task;
#[cfg(test)]
mod tests;

pub use children::{Descendants, adopt_orphans, reap_adopted};
pub use command::TaskCommand;
pub use descendants::signal_descendants;
pub use group::ProcessGroup;
pub use hold::HeldTask;
pub use interpreter::fault_of_script;
pub use sample::Sample;
pub use start::{Release, Start};
pub use task::Task;
