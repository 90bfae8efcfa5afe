//! The protocol between `synexec_master` and `synexec_slave`.
//!
//! The crate has two layers. The upper layer is pure: [`wire`] and [`message`] turn bytes into values and back,
//! [`conf`] is the grammar of a conf, [`digest`] checks outputs, and [`secure`] authenticates and encrypts if there is
//! a key. The lower layer, `transport` (a cargo feature of the same name), does the blocking I/O: UDP probes and TCP
//! connections.
//! The crate `synexec-session` decides when each side sends which message.
//!
//! `docs/protocol.md` at the root of the repository describes the protocol to the byte.

pub mod conf;
pub mod defaults;
pub mod digest;
pub mod disconnect;
pub mod message;
pub mod secure;
pub mod task_end;
pub mod text;
pub mod time;
#[cfg(feature = "transport")]
pub mod transport;
pub mod variables;
pub mod wire;
