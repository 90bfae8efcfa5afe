//! The blocking I/O of a session: UDP probes, and TCP connections that one thread reads and their owner writes.

mod allowance;
mod arrival;
mod backlog;
mod broadcasts;
mod discovery;
mod layer;
mod outbox;
mod quota;
mod reader;
mod sealing;
mod tcp;

pub use allowance::Allowance;
pub use backlog::{OutboxEvent, Source};
pub use broadcasts::BroadcastListener;
pub use discovery::{ProbeListener, ProbeRoute};
pub use outbox::Outbox;
pub use reader::{Arrived, Clock, LinkReader};
pub use sealing::Sealing;
pub use tcp::{connect, listen, prepare};
