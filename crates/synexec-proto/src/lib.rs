//! The language that `synexec_master` and `synexec_slave` speak.
//!
//! The crate has two layers. The upper one is pure: [`wire`] and [`message`] turn bytes into values and back, [`conf`]
//! is the grammar of a conf, [`clock`] the mathematics of offsets, [`digest`] what outputs are checked by, [`secure`] what
//! keeps strangers out where there is a key, and [`master`]
//! and [`slave`] are the two sides of a session as state machines, which take events and instants in and give actions
//! out. None of them opens a socket or reads a clock, so a whole session runs in a test without either. The lower one, [`transport`], is the blocking I/O beneath: UDP probes and TCP links.
//!
//! The protocol is described to the byte in `NOTES.md` at the root of the repository.

pub mod clock;
pub mod conf;
pub mod digest;
pub mod master;
pub mod message;
pub mod outcome;
pub mod secure;
pub mod session;
pub mod slave;
pub mod text;
pub mod time;
pub mod transport;
pub mod wire;
