//! Connections to slaves: one thread accepts them, one thread for each connection reads it, and outboxes write.

mod acceptor;
mod event;
mod listeners;
mod outboxes;

pub use acceptor::Acceptor;
pub use event::{ConnectionEvent, Deliver};
pub use listeners::Listeners;
pub use outboxes::Outboxes;
