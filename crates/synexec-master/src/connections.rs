//! The threads that accept and read, and the outboxes that write.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use nix::errno::Errno;
use synexec_host::allow::Allowed;
use synexec_host::clock::monotonic_now;
use synexec_host::events::tell;
use synexec_host::told::Told;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Message;
use synexec_proto::secure::{Key, Sealer};
use synexec_proto::transport::{self, Allowance, Arrived, LinkReader, Messages, Outbox, Progress, Sealing, Source};
use synexec_proto::wire::SessionId;
use synexec_session::master::{self, PeerId};

use crate::dispatcher::Event;

/// Stack of a reading thread, of which there is one for each slave.
const STACK: usize = 128 * 1024;

/// Rest after a connection could not be accepted, as when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What this host may have too little of for another connection: descriptors, memory, threads.
const SHORTAGES: [Errno; 5] = [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS, Errno::EAGAIN];

/// A connection that is read.
#[derive(Debug)]
pub struct Connection {
    stream: Arc<TcpStream>,
    allowance: Allowance,
}

/// Accepts connections for as long as the program runs, each with a thread that reads it.
pub struct Acceptor {
    pub listener: TcpListener,
    pub session: SessionId,
    pub key: Option<Arc<Key>>,
    pub allowed: Allowed,
    pub lost_after: Duration,
    pub events: SyncSender<Event>,
}

impl Acceptor {
    /// Starts the accepting thread.
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn start(self) -> io::Result<()> {
        std::thread::Builder::new().name("accept".into()).spawn(move || self.run()).map(|_| ())
    }

    fn run(self) {
        let (mut told, mut told_errors) = (Told::default(), Told::default());
        for id in 0.. {
            let accepted = self.listener.accept();
            if let Ok((_, address)) = &accepted
                && !self.is_allowed(address.ip(), &mut told)
            {
                continue;
            }
            if let Err(error) = accepted.and_then(|(stream, address)| self.admit(PeerId(id), stream, address)) {
                self.make_room(&error, &mut told_errors);
            }
        }
    }

    /// Where this host has nothing left for another connection, the oldest goes that has said nothing yet.
    fn make_room(&self, error: &io::Error, told: &mut Told<Option<i32>>) {
        let errno = error.raw_os_error();
        if told.is_news(errno) {
            log::warn!("cannot accept a connection: {error}; trying again");
        }
        if errno.is_some_and(|errno| SHORTAGES.contains(&Errno::from_raw(errno))) {
            tell(&self.events, Event::Session(master::Event::NoRoom));
        }
        std::thread::sleep(ACCEPT_PAUSE);
    }

    fn is_allowed(&self, address: IpAddr, told: &mut Told<IpAddr>) -> bool {
        let is_allowed = self.allowed.has(address);
        if !is_allowed && told.is_news(address) {
            log::warn!("connections from {address} are closed: it is not among the addresses of --allow");
        }
        is_allowed
    }

    fn admit(&self, peer: PeerId, stream: TcpStream, address: SocketAddr) -> io::Result<()> {
        transport::prepare(&stream, self.lost_after)?;
        let stream = Arc::new(stream);
        let reader = LinkReader::new(Arc::clone(&stream), self.session, Messages::Short, monotonic_now);
        let (events, key) = (self.events.clone(), self.key.clone());
        let connection = Connection { stream, allowance: reader.allowance() };
        tell(&self.events, Event::Accepted { peer, connection, address });
        let read = move || read(peer, reader, key.as_deref(), &events);
        let thread = std::thread::Builder::new().name("read".into()).stack_size(STACK).spawn(read);
        thread.map(|_| ()).inspect_err(|error| {
            let why = Disconnect::Broken(error.to_string());
            tell(&self.events, Event::Session(master::Event::Disconnected { peer, why }));
        })
    }
}

fn read(peer: PeerId, mut reader: LinkReader, key: Option<&Key>, events: &SyncSender<Event>) {
    let why = match key.map(|key| reader.answer(key)).transpose() {
        Ok(sealer) => {
            if let Some(sealer) = sealer {
                tell(events, Event::Sealed { peer, sealer });
            }
            read_session(peer, &mut reader, events)
        }
        Err(why) => why,
    };
    tell(events, Event::Session(master::Event::Disconnected { peer, why }));
}

fn read_session(peer: PeerId, reader: &mut LinkReader, events: &SyncSender<Event>) -> Disconnect {
    loop {
        match reader.next_frame() {
            Ok(Arrived { frame, at }) => tell(events, Event::Session(master::Event::Received { peer, frame, at })),
            Err(why) => return why,
        }
    }
}

/// The writing side of all connections.
pub struct Outboxes {
    session: SessionId,
    /// Of a connection that was just accepted.
    sealing: Sealing,
    events: SyncSender<Event>,
    open: HashMap<PeerId, (Outbox, Allowance)>,
}

impl Outboxes {
    /// No connection yet. With a key nothing is sent before it can be sealed.
    pub fn new(session: SessionId, has_key: bool, events: SyncSender<Event>) -> Self {
        let sealing = if has_key { Sealing::Awaited } else { Sealing::No };
        Self { session, sealing, events, open: HashMap::new() }
    }

    /// A connection was accepted.
    pub fn add(&mut self, peer: PeerId, Connection { stream, allowance }: Connection) {
        let events = self.events.clone();
        let listener = move |progress| {
            tell(
                &events,
                match progress {
                    Progress::StreamSent => Event::Session(master::Event::ConfSent { peer }),
                    Progress::Failed(why) => Event::Session(master::Event::Disconnected { peer, why }),
                    Progress::SourceFailed(error) => {
                        Event::Session(master::Event::ConfFailed { why: error.to_string() })
                    }
                },
            );
        };
        let outbox = Outbox::new(stream, self.session, self.sealing.clone(), Arc::new(listener));
        self.open.insert(peer, (outbox, allowance));
    }

    /// A peer has shown that it has the key; what is sent to it is sealed by this.
    pub fn seal(&mut self, peer: PeerId, sealer: Sealer) {
        if let Some((outbox, _)) = self.open.get_mut(&peer) {
            outbox.seal_with(sealer);
        }
    }

    /// Lets a peer send long messages from now on.
    pub fn expect_output(&self, peer: PeerId) {
        if let Some((_, allowance)) = self.open.get(&peer) {
            allowance.give();
        }
    }

    /// Sends a message; one to a connection that is closed is dropped.
    ///
    /// # Errors
    /// [`Disconnect`] when the peer cannot be written to.
    pub fn send(&mut self, peer: PeerId, message: &Message) -> Result<(), Disconnect> {
        match (self.open.get_mut(&peer), message.encode()) {
            (Some((outbox, allowance)), Ok(frame)) => {
                allowance.expect(message.answers());
                outbox.send(&frame)
            }
            (Some(_), Err(error)) => Err(Disconnect::Broken(error.to_string())),
            (None, _) => Ok(()),
        }
    }

    /// Sends whole encoded frames.
    ///
    /// # Errors
    /// [`Disconnect`] when the peer cannot be written to.
    pub fn send_bytes(&mut self, peer: PeerId, bytes: Vec<u8>) -> Result<(), Disconnect> {
        self.open.get_mut(&peer).map_or(Ok(()), |(outbox, _)| outbox.send_bytes(bytes))
    }

    /// Sends a stream of frames.
    ///
    /// # Errors
    /// [`Disconnect`] when the peer cannot be written to.
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
