//! What the threads of connections report.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::secure::Sealer;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::transport::Allowance;
use synexec_proto::wire::Frame;
use synexec_session::master::PeerId;

/// A connection that a thread reads.
#[derive(Debug)]
pub struct Connection {
    /// Its socket, for writing.
    pub stream: Arc<TcpStream>,
    /// Limits the length of the messages that the reading thread takes.
    pub allowance: Allowance,
}

/// Something that happened to a connection.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// A connection was accepted.
    Accepted { peer: PeerId, connection: Connection, address: SocketAddr },
    /// This host has too little memory, or too few descriptors or threads, for another connection.
    NoRoom,
    /// A peer has proved that it has the key; the sealer encrypts what this host sends to that peer.
    Sealed { peer: PeerId, sealer: Sealer },
    /// A frame arrived at this instant.
    Received { peer: PeerId, frame: Frame, at: MonotonicInstant },
    /// The network took the last byte of the conf.
    ConfSent { peer: PeerId },
    /// The conf cannot be read any more.
    ConfFailed { why: String },
    /// A connection ended.
    Disconnected { peer: PeerId, why: Disconnect },
}

/// Delivers an event to the dispatcher; waits while the dispatcher's queue is full.
pub type Deliver = Arc<dyn Fn(ConnectionEvent) + Send + Sync>;
