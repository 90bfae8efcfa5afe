//! What `synexec_master` and `synexec_slave` say to each other.
//!
//! The crate has two layers. The upper layer is pure: [`wire`] and [`message`] turn bytes into values and back, [`conf`]
//! is the grammar of a conf, [`digest`] checks outputs, and [`secure`] keeps strangers out where there is a key. The lower
//! layer, `transport` (the cargo feature of that name), is the blocking I/O beneath: UDP probes and TCP links. Who says
//! what, and when, is decided in the crate `synexec-session`.
//!
//! `docs/protocol.md` at the root of the repository describes the protocol to the byte.

pub mod conf;
pub mod defaults;
pub mod digest;
pub mod disconnect;
pub mod message;
pub mod outcome;
pub mod secure;
pub mod text;
pub mod time;
#[cfg(feature = "transport")]
pub mod transport;
pub mod wire;
