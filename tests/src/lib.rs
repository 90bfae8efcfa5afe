//! What the end-to-end tests stand on: the two programs, processes that can be waited for, and hosts to run them in.

pub mod browser;
pub mod fleet;
pub mod lab;
pub mod process;
pub mod programs;
pub mod report;
pub mod v1;
