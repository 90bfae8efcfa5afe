//! What both sides of a session decide.
//!
//! [`master`] and [`slave`] are the two sides as state machines: they take events and instants, and give actions. [`clock`]
//! is the mathematics of clock offsets. No code here opens a socket or reads a clock, so a whole session runs in a test
//! without either (`synexec-sim`).

pub mod clock;
pub mod interrupt;
pub mod master;
pub mod slave;
