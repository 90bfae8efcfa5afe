//! A task: a process with a session and process group of its own, made ready first and started later; and what comes
//! from it.

mod child;
mod children;
mod command;
mod control_group;
mod descendants;
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

pub use children::{Descendants, adopt_orphans, reap_adopted};
pub use command::TaskCommand;
pub use descendants::signal_descendants;
pub use group::ProcessGroup;
pub use hold::HeldTask;
pub use sample::Sample;
pub(crate) use sample::ticks;
pub use start::{Release, Start};
pub use task::Task;
