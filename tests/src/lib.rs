//! The basis of the end-to-end tests: the two programs, child processes with awaited output, and hosts for them.

pub mod browser;
pub mod fleet;
pub mod lab;
pub mod messages;
pub mod process;
pub mod programs;
pub mod report;
pub mod v1;
