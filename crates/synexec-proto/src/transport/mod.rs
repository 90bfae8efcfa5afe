//! The blocking I/O beneath a session: UDP probes, and TCP links of which one thread reads and the owner writes.

mod arrival;
mod discovery;
mod layer;
mod outbox;
mod quota;
mod reader;
mod tcp;

pub use discovery::{ProbeListener, ProbeRoute};
pub use outbox::{Listener, Outbox, Progress, Sealing, Source};
pub use reader::{Allowance, Arrived, Clock, LinkReader, Messages};
pub use tcp::{connect, listen, prepare};
