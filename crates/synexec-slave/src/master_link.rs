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
    /// The number of the last connection.
    last: ConnectionId,
    first: Connection,
    /// A connection beside the first, while the first may be dead.
    second: Option<Connection>,
    deliver: Arc<dyn Fn(LinkEvent) + Send + Sync>,
}

/// A connection that is there or awaited.
struct Connection {
    id: ConnectionId,
    /// None while the connection is awaited.
    outbox: Option<Outbox>,
}

impl Connection {
    fn awaited(id: ConnectionId) -> Self {
        Self { id, outbox: None }
    }

    fn close(&mut self) {
        if let Some(outbox) = self.outbox.take() {
            outbox.close();
        }
    }

    fn send(&mut self, message: &Message) -> Result<(), Disconnect> {
        let Some(outbox) = &mut self.outbox else { return Ok(()) };
        match message.encode() {
            Ok(frame) => outbox.send(&frame),
            Err(error) => {
                log::error!("{error}");
                Ok(())
            }
        }
    }
}

impl MasterLink {
    /// A link without a connection. The threads of the network call `deliver`.
    pub fn new(network: Network, session: SessionId, deliver: impl Fn(LinkEvent) + Send + Sync + 'static) -> Self {
        let none = ConnectionId(0);
        let deliver = Arc::new(deliver);
        Self { network, session, last: none, first: Connection::awaited(none), second: None, deliver }
    }

    /// Takes an event; returns the event for the state machine, or none if the event belongs to an old connection.
    pub fn take(&mut self, event: LinkEvent) -> Option<slave::Event> {
        match event {
            LinkEvent::Heard(Ok(master)) => Some(slave::Event::Invited { master }),
            LinkEvent::Heard(Err(error)) => {
                self.network.stop_listening();
                Some(slave::Event::ListenFailed { why: error.to_string() })
            }
            LinkEvent::Connection(id, event) if id == self.first.id => Some(self.of_first(event)),
            LinkEvent::Connection(id, event) if self.second.as_ref().is_some_and(|second| second.id == id) => {
                Some(self.of_second(id, event))
            }
            LinkEvent::Connection(_, ConnectionEvent::Connected { stream, .. }) => {
                // The connection came too late; its thread is to end.
                let _ = stream.shutdown(Shutdown::Both);
                None
            }
            LinkEvent::Connection(..) => None,
        }
    }

    fn of_first(&mut self, event: ConnectionEvent) -> slave::Event {
        match event {
            ConnectionEvent::Connected { stream, sealer, master } => {
                self.network.stop_listening();
                self.first.outbox = Some(self.outbox_for(self.first.id, stream, sealer));
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

    fn of_second(&mut self, id: ConnectionId, event: ConnectionEvent) -> slave::Event {
        match event {
            ConnectionEvent::Connected { stream, sealer, master } => {
                self.second = Some(Connection { id, outbox: Some(self.outbox_for(id, stream, sealer)) });
                slave::Event::Connected { master }
            }
            ConnectionEvent::Failed(why) => slave::Event::ConnectFailed { why },
            ConnectionEvent::Received(frame, _) => slave::Event::SecondReceived { frame },
            ConnectionEvent::Ended(why) => slave::Event::SecondEnded(why),
        }
    }

    fn outbox_for(&self, id: ConnectionId, stream: Arc<TcpStream>, sealer: Option<Sealer>) -> Outbox {
        let deliver = Arc::clone(&self.deliver);
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
        self.first = self.awaited();
        self.begin_to_connect(invited_by)
    }

    /// Begins to make a second connection; gives the event of a failure.
    pub fn connect_second(&mut self, master: Option<SocketAddr>) -> Option<slave::Event> {
        self.close_second();
        self.second = Some(self.awaited());
        self.begin_to_connect(master)
    }

    fn begin_to_connect(&mut self, master: Option<SocketAddr>) -> Option<slave::Event> {
        let (id, deliver) = (self.last, Arc::clone(&self.deliver));
        let failed = self.network.connect(master, move |event| deliver(LinkEvent::Connection(id, event))).err();
        failed.map(|error| slave::Event::ConnectFailed { why: error.to_string() })
    }

    /// A connection with a number of its own. No event has this number yet.
    fn awaited(&mut self) -> Connection {
        self.last = ConnectionId(self.last.0 + 1);
        Connection::awaited(self.last)
    }

    /// Whether there is a connection to write to.
    pub fn is_open(&self) -> bool {
        self.first.outbox.is_some()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The connection is broken, so that no message can be sent.
    pub fn send(&mut self, message: &Message) -> Result<(), Disconnect> {
        self.first.send(message)
    }

    /// Sends a message on the second connection.
    ///
    /// # Errors
    /// The second connection is broken, so that no message can be sent.
    pub fn send_on_second(&mut self, message: &Message) -> Result<(), Disconnect> {
        self.second.as_mut().map_or(Ok(()), |second| second.send(message))
    }

    /// Sends a stream of frames.
    ///
    /// # Errors
    /// The connection is broken, so that no message can be sent.
    pub fn send_stream(&mut self, source: Source) -> Result<(), Disconnect> {
        self.first.outbox.as_mut().map_or(Ok(()), |outbox| outbox.send_stream(source))
    }

    /// Closes both connections, or stops listening for probes. Events of both are ignored from now on.
    pub fn disconnect(&mut self) {
        self.network.stop_listening();
        self.close_second();
        self.first.close();
        self.first = self.awaited();
    }

    /// Closes the second connection. Events of it are ignored from now on.
    pub fn close_second(&mut self) {
        if let Some(mut second) = self.second.take() {
            second.close();
        }
    }

    /// Closes the first connection, and puts the second one in its place.
    pub fn use_second(&mut self) {
        if let Some(second) = self.second.take() {
            self.first.close();
            self.first = second;
        }
    }

    /// Closes the connection once all messages are sent, or after a while if they cannot be.
    pub fn leave(&mut self) {
        self.close_second();
        if let Some(outbox) = self.first.outbox.take() {
            outbox.finish(LEAVE_TIME);
        }
    }
}
