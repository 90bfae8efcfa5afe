//! Connections to slaves: one thread accepts them, one thread for each connection reads it, and outboxes write.

mod acceptor;
mod event;
mod outboxes;

pub use acceptor::Acceptor;
pub use event::{ConnectionEvent, Deliver};
pub use outboxes::Outboxes;
