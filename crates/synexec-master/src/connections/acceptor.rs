//! The thread that accepts connections, and the threads that read them.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use synexec_host::allow::AllowedNetworks;
use synexec_host::clock::monotonic_now;
use synexec_host::seen_before::SeenBefore;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::secure::Key;
use synexec_proto::transport::{self, Arrived, LinkReader};
use synexec_proto::wire::{Role, SessionId};
use synexec_session::master::PeerId;

use super::event::{Connection, ConnectionEvent, Deliver};
use super::listeners::{Listeners, WatchedListeners};

/// Stack size of a reading thread in bytes. Each slave has a reading thread.
const STACK: usize = 128 * 1024;

/// Pause after accepting a connection has failed, for example because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Errors that mean that this host lacks descriptors, memory or threads for another connection.
const SHORTAGES: [Errno; 5] = [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS, Errno::EAGAIN];

/// Accepts connections until the program ends, and starts a reading thread for each.
pub struct Acceptor {
    /// Session to which every frame must belong.
    pub session: SessionId,
    /// Key that every slave must have, if the user gave one.
    pub key: Option<Arc<Key>>,
    /// Addresses from which slaves may connect.
    pub allowed: AllowedNetworks,
    /// Silence after which a peer is lost.
    pub lost_after: Duration,
    /// Receives the events of all connections.
    pub deliver: Deliver,
}

impl Acceptor {
    /// Starts the accepting thread.
    ///
    /// # Errors
    /// The system cannot start another thread.
    pub fn start(self, listeners: Listeners) -> io::Result<()> {
        std::thread::Builder::new().name("accept".into()).spawn(move || self.run(listeners.watch())).map(|_| ())
    }

    fn run(self, mut listeners: WatchedListeners) {
        let (mut told, mut told_errors) = (SeenBefore::default(), SeenBefore::default());
        for id in 0.. {
            let accepted = listeners.accept();
            if let Ok((_, address)) = &accepted
                && !self.allowed.has(address.ip())
            {
                warn_refused(address.ip(), &mut told);
                continue;
            }
            if let Err(error) = accepted.and_then(|(stream, address)| self.admit(PeerId(id), stream, address)) {
                self.report_failure(&error, &mut told_errors);
                std::thread::sleep(ACCEPT_PAUSE);
            }
        }
    }

    /// On a shortage, the session closes the oldest connection that has sent nothing yet.
    fn report_failure(&self, error: &io::Error, told: &mut SeenBefore<Option<i32>>) {
        let errno = error.raw_os_error();
        if told.insert(errno) {
            log::warn!("cannot accept a connection: {error}; trying again");
        }
        if errno.is_some_and(|errno| SHORTAGES.contains(&Errno::from_raw(errno))) {
            (self.deliver)(ConnectionEvent::NoRoom);
        }
    }

    fn admit(&self, peer: PeerId, stream: TcpStream, address: SocketAddr) -> io::Result<()> {
        transport::prepare(&stream, self.lost_after)?;
        let stream = Arc::new(stream);
        let reader = LinkReader::new(Arc::clone(&stream), self.session, Role::Slave, monotonic_now);
        let (deliver, key) = (Arc::clone(&self.deliver), self.key.clone());
        let connection = Connection { stream, allowance: reader.allowance() };
        deliver(ConnectionEvent::Accepted { peer, connection, address });
        let read = move || read(peer, reader, key.as_deref(), &deliver);
        let thread = std::thread::Builder::new().name("read".into()).stack_size(STACK).spawn(read);
        thread.map(|_| ()).inspect_err(|error| {
            let why = Disconnect::Broken(error.to_string());
            (self.deliver)(ConnectionEvent::Disconnected { peer, why });
        })
    }
}

fn warn_refused(address: IpAddr, told: &mut SeenBefore<IpAddr>) {
    if told.insert(address) {
        log::warn!("connections from {address} are closed: --allow does not include this address");
    }
}

fn read(peer: PeerId, mut reader: LinkReader, key: Option<&Key>, deliver: &Deliver) {
    let why = match key.map(|key| reader.answer(key)).transpose() {
        Ok(sealer) => {
            if let Some(sealer) = sealer {
                deliver(ConnectionEvent::Sealed { peer, sealer });
            }
            read_frames(peer, &mut reader, deliver)
        }
        Err(why) => why,
    };
    deliver(ConnectionEvent::Disconnected { peer, why });
}

/// Reads until the connection ends; returns why it ended.
fn read_frames(peer: PeerId, reader: &mut LinkReader, deliver: &Deliver) -> Disconnect {
    loop {
        match reader.next_frame() {
            Ok(Arrived { frame, at }) => deliver(ConnectionEvent::Received { peer, frame, at }),
            Err(why) => return why,
        }
    }
}
