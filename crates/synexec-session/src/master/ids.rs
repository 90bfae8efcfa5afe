//! Numbers by which the session knows connections and outputs.

use synexec_proto::message::TaskStream;

/// One connection. The number means the same connection for as long as the program runs; no number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// A stream of one slave's task in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId {
    /// The round, from 1.
    pub round: u32,
    /// The slave's rank, from 0.
    pub rank: u32,
    /// The stream.
    pub stream: TaskStream,
}
