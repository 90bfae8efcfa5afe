//! The writing side of all connections.

use std::collections::HashMap;
use std::sync::Arc;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Message;
use synexec_proto::secure::Sealer;
use synexec_proto::transport::{Allowance, Outbox, OutboxEvent, Sealing, Source};
use synexec_proto::wire::SessionId;
use synexec_session::master::PeerId;

use super::event::{Connection, ConnectionEvent, Deliver};

/// One outbox for each open connection.
pub struct Outboxes {
    session: SessionId,
    /// How a new connection is encrypted.
    sealing: Sealing,
    deliver: Deliver,
    open: HashMap<PeerId, (Outbox, Allowance)>,
}

impl Outboxes {
    /// Starts without connections. With a key, an outbox sends nothing before [`Outboxes::seal`].
    pub fn new(session: SessionId, has_key: bool, deliver: Deliver) -> Self {
        let sealing = if has_key { Sealing::Awaited } else { Sealing::No };
        Self { session, sealing, deliver, open: HashMap::new() }
    }

    /// Adds a connection that was just accepted.
    pub fn add(&mut self, peer: PeerId, Connection { stream, allowance }: Connection) {
        let deliver = Arc::clone(&self.deliver);
        let on_event = move |outbox_event| deliver(event(peer, outbox_event));
        let outbox = Outbox::new(stream, self.session, self.sealing.clone(), on_event);
        self.open.insert(peer, (outbox, allowance));
    }

    /// Encrypts all that is sent to a peer; the peer has proved that it has the key.
    pub fn seal(&mut self, peer: PeerId, sealer: Sealer) {
        if let Some((outbox, _)) = self.open.get_mut(&peer) {
            outbox.seal_with(sealer);
        }
    }

    /// Lets a peer send long messages from now on.
    pub fn allow_output(&self, peer: PeerId) {
        if let Some((_, allowance)) = self.open.get(&peer) {
            allowance.allow_long_messages();
        }
    }

    /// Sends a message; drops the message if the connection is closed.
    ///
    /// # Errors
    /// [`Disconnect`]: the peer cannot be written to.
    pub fn send(&mut self, peer: PeerId, message: &Message) -> Result<(), Disconnect> {
        match (self.open.get_mut(&peer), message.encode()) {
            (Some((outbox, allowance)), Ok(frame)) => {
                allowance.expect_answers(message.answers());
                outbox.send(&frame)
            }
            (Some(_), Err(error)) => Err(Disconnect::Broken(error.to_string())),
            (None, _) => Ok(()),
        }
    }

    /// Sends whole encoded frames; drops them if the connection is closed.
    ///
    /// # Errors
    /// [`Disconnect`]: the peer cannot be written to.
    pub fn send_bytes(&mut self, peer: PeerId, bytes: Vec<u8>) -> Result<(), Disconnect> {
        self.open.get_mut(&peer).map_or(Ok(()), |(outbox, _)| outbox.send_bytes(bytes))
    }

    /// Sends a stream of frames; drops the stream if the connection is closed.
    ///
    /// # Errors
    /// [`Disconnect`]: the peer cannot be written to.
    pub fn send_stream(&mut self, peer: PeerId, source: Source) -> Result<(), Disconnect> {
        self.open.get_mut(&peer).map_or(Ok(()), |(outbox, _)| outbox.send_stream(source))
    }

    /// Closes a connection.
    pub fn close(&mut self, peer: PeerId) {
        if let Some((outbox, _)) = self.open.remove(&peer) {
            outbox.close();
        }
    }
}

/// The only stream that an outbox sends is the conf.
fn event(peer: PeerId, outbox_event: OutboxEvent) -> ConnectionEvent {
    match outbox_event {
        OutboxEvent::StreamSent => ConnectionEvent::ConfSent { peer },
        OutboxEvent::Failed(why) => ConnectionEvent::Disconnected { peer, why },
        OutboxEvent::SourceFailed(error) => ConnectionEvent::ConfFailed { why: error.to_string() },
    }
}
