//! The connection to the master: carries out what the state machine wants of it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Message;
use synexec_proto::secure::Sealer;
use synexec_proto::transport::{Outbox, OutboxEvent, Sealing, Source};
use synexec_proto::wire::SessionId;
use synexec_session::slave;

use crate::network::{ConnectionEvent, Network};

/// Time for the last messages to be sent before the program ends.
const LEAVE_TIME: Duration = Duration::from_secs(2);

/// Numbers one connection, so that an event of an old connection is not taken for one of the new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionId(u64);

/// An event from the threads of the network.
#[derive(Debug)]
pub enum LinkEvent {
    /// A probe of this master was heard, or nothing can be heard.
    Heard(io::Result<SocketAddr>),
    /// Something happened on this connection.
    Connection(ConnectionId, ConnectionEvent),
}

/// The connection to the master, if there is one, and the search for a master otherwise.
pub struct MasterLink {
    network: Network,
    session: SessionId,
    connection: ConnectionId,
    outbox: Option<Outbox>,
    deliver: Arc<dyn Fn(LinkEvent) + Send + Sync>,
}

impl MasterLink {
    /// A link without a connection. The threads of the network call `deliver`.
    pub fn new(network: Network, session: SessionId, deliver: impl Fn(LinkEvent) + Send + Sync + 'static) -> Self {
        Self { network, session, connection: ConnectionId(0), outbox: None, deliver: Arc::new(deliver) }
    }

    /// Takes an event; returns the event for the state machine, or none if the event belongs to an old connection.
    pub fn take(&mut self, event: LinkEvent) -> Option<slave::Event> {
        match event {
            LinkEvent::Heard(Ok(master)) => Some(slave::Event::Invited { master }),
            LinkEvent::Heard(Err(error)) => {
                self.network.stop_listening();
                Some(slave::Event::ListenFailed { why: error.to_string() })
            }
            LinkEvent::Connection(id, event) if id == self.connection => Some(self.current(event)),
            LinkEvent::Connection(_, ConnectionEvent::Connected { stream, .. }) => {
                // The connection came too late; its thread is to end.
                let _ = stream.shutdown(Shutdown::Both);
                None
            }
            LinkEvent::Connection(..) => None,
        }
    }

    fn current(&mut self, event: ConnectionEvent) -> slave::Event {
        match event {
            ConnectionEvent::Connected { stream, sealer, master } => {
                self.network.stop_listening();
                self.outbox = Some(self.outbox_for(stream, sealer));
                slave::Event::Connected { master }
            }
            ConnectionEvent::Failed(why) => {
                self.network.note_failure();
                slave::Event::ConnectFailed { why }
            }
            ConnectionEvent::Received(frame, at) => slave::Event::Received { frame, at },
            ConnectionEvent::Ended(why) => slave::Event::Disconnected(why),
        }
    }

    fn outbox_for(&self, stream: Arc<TcpStream>, sealer: Option<Sealer>) -> Outbox {
        let (id, deliver) = (self.connection, Arc::clone(&self.deliver));
        let on_outbox_event = move |event| {
            if let OutboxEvent::Failed(why) = event {
                deliver(LinkEvent::Connection(id, ConnectionEvent::Ended(why)));
            }
        };
        let sealing = sealer.map_or(Sealing::No, |sealer| Sealing::By(Arc::new(sealer)));
        Outbox::new(stream, self.session, sealing, on_outbox_event)
    }

    /// Begins to listen for a probe; gives the event of a failure.
    pub fn listen(&mut self) -> Option<slave::Event> {
        let deliver = Arc::clone(&self.deliver);
        let failed = self.network.listen(move |heard| deliver(LinkEvent::Heard(heard))).err();
        failed.map(|error| slave::Event::ListenFailed { why: error.to_string() })
    }

    /// Begins to connect; gives the event of a failure.
    pub fn connect(&mut self, invited_by: Option<SocketAddr>) -> Option<slave::Event> {
        self.forget_connection();
        let (id, deliver) = (self.connection, Arc::clone(&self.deliver));
        let failed = self.network.connect(invited_by, move |event| deliver(LinkEvent::Connection(id, event))).err();
        failed.map(|error| slave::Event::ConnectFailed { why: error.to_string() })
    }

    /// Events of the connection so far are ignored from now on.
    fn forget_connection(&mut self) {
        self.connection = ConnectionId(self.connection.0 + 1);
    }

    /// Whether there is a connection to write to.
    pub fn is_open(&self) -> bool {
        self.outbox.is_some()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The connection is broken, so that no message can be sent.
    pub fn send(&mut self, message: &Message) -> Result<(), Disconnect> {
        let Some(outbox) = &mut self.outbox else { return Ok(()) };
        match message.encode() {
            Ok(frame) => outbox.send(&frame),
            Err(error) => {
                log::error!("{error}");
                Ok(())
            }
        }
    }

    /// Sends a stream of frames.
    ///
    /// # Errors
    /// The connection is broken, so that no message can be sent.
    pub fn send_stream(&mut self, source: Source) -> Result<(), Disconnect> {
        self.outbox.as_mut().map_or(Ok(()), |outbox| outbox.send_stream(source))
    }

    /// Closes the connection.
    pub fn disconnect(&mut self) {
        if let Some(outbox) = self.outbox.take() {
            outbox.close();
        }
        self.forget_connection();
    }

    /// Closes the connection once all messages are sent, or after a while if they cannot be.
    pub fn leave(&mut self) {
        if let Some(outbox) = self.outbox.take() {
            outbox.finish(LEAVE_TIME);
        }
    }
}
