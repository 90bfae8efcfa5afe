//! The threads that listen for a probe, connect to a master, and read its messages.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use log::Level;
use synexec_host::allow::AllowedNetworks;
use synexec_host::clock::monotonic_now;
use synexec_host::interfaces;
use synexec_host::log_limit::{self, Kind};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Capabilities;
use synexec_proto::secure::{Key, Sealer};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::transport::{self, Arrived, LinkReader, ProbeListener};
use synexec_proto::wire::{Command, Frame, Role, SessionId};

use crate::invitations::Invitations;
use crate::options::Options;

/// Time for a master to answer a connection attempt. The kernel repeats its packet after one second and after three
/// more; a new attempt is as good.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// After each connection that a stranger's probe causes, the slave listens again.
const LISTENING: Kind = Kind::of_peers("times that the slave listens for probes", 64);

/// An event of one connection.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// A connection is there; with a key, both sides have proved that they have it.
    Connected {
        /// Its stream, to write to.
        stream: Arc<TcpStream>,
        /// Seals all that is written, if there is a key.
        sealer: Option<Sealer>,
        /// The master's address.
        master: SocketAddr,
    },
    /// No connection could be made; the reason, for the user.
    Failed(String),
    /// A frame arrived, at this instant.
    Received(Frame, MonotonicInstant),
    /// The connection ended by itself.
    Ended(Disconnect),
}

/// Finds masters and connects to them.
#[derive(Debug)]
pub struct Network {
    connector: Arc<Connector>,
    listener: Option<Arc<ProbeListener>>,
    /// For the one thread that listens.
    invitations: Arc<Mutex<Invitations>>,
}

/// Makes connections to masters.
#[derive(Debug)]
struct Connector {
    session: SessionId,
    port: u16,
    device: Option<String>,
    /// The master that the user gave.
    master: Option<String>,
    key: Option<Arc<Key>>,
    allowed: AllowedNetworks,
    lost_after: Duration,
}

/// A connection on which a session can begin.
struct Connection {
    stream: Arc<TcpStream>,
    reader: LinkReader,
    sealer: Option<Sealer>,
    master: SocketAddr,
}

impl Network {
    /// A network as the options say. The listener was bound at the start of the program so that errors show early.
    pub fn new(options: &Options, key: Option<Arc<Key>>, listener: Option<ProbeListener>) -> Self {
        let (session, allowed) = (options.common.session(), options.common.allowed());
        let invitations = Invitations::new(session, key.clone(), allowed.clone());
        let connector = Connector {
            session,
            port: options.common.port,
            device: options.common.interface.clone(),
            master: options.master.clone(),
            key,
            allowed,
            lost_after: options.common.lost_after(),
        };
        let invitations = Arc::new(Mutex::new(invitations));
        Self { connector: Arc::new(connector), listener: listener.map(Arc::new), invitations }
    }

    /// Waits in a thread for one probe, and delivers the address of its master. The socket stays until a connection is
    /// there: a master that cannot be reached at one of its addresses may have sent its probe from another one too.
    ///
    /// # Errors
    /// The port is taken, or the system starts no thread.
    pub fn listen(&mut self, deliver: impl FnOnce(io::Result<SocketAddr>) + Send + 'static) -> io::Result<()> {
        let port = self.connector.port;
        let listener = match &self.listener {
            Some(listener) => Arc::clone(listener),
            None => Arc::new(ProbeListener::bind(port, self.connector.device.as_deref())?),
        };
        self.listener = Some(Arc::clone(&listener));
        let invitations = Arc::clone(&self.invitations);
        log_limit::tell(LISTENING, Level::Debug, port, format!("listening for probes on UDP port {port}"));
        spawn("listen", move || {
            let mut invitations = invitations.lock().unwrap_or_else(PoisonError::into_inner);
            let heard = listener.wait(|datagram, sender| invitations.accept(datagram, sender));
            drop(invitations);
            deliver(heard.map(|sender| SocketAddr::new(sender.ip(), port)));
        })
    }

    /// Closes the listening socket. A connected slave does not listen, so that a probe that reaches only one slave of
    /// this host reaches a slave that is free.
    pub fn stop_listening(&mut self) {
        self.listener = None;
    }

    /// Connects in a thread to the master that has invited this slave, or to the one that the user gave, and reads its
    /// messages.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn connect(
        &self,
        invited_by: Option<SocketAddr>,
        deliver: impl Fn(ConnectionEvent) + Send + 'static,
    ) -> io::Result<()> {
        let connector = Arc::clone(&self.connector);
        spawn("link", move || match connector.connect(invited_by) {
            Ok(Connection { stream, reader, sealer, master }) => {
                deliver(ConnectionEvent::Connected { stream, sealer, master });
                read(reader, connector.lost_after, &deliver);
            }
            Err(error) => deliver(ConnectionEvent::Failed(format!("{error:#}"))),
        })
    }
}

impl Connector {
    fn connect(&self, invited_by: Option<SocketAddr>) -> Result<Connection> {
        let master = match invited_by {
            Some(master) => master,
            None => self.resolve(self.master.as_deref().unwrap_or_default())?,
        };
        ensure!(self.allowed.has(master.ip()), "{} is not among the addresses of --allow", master.ip());
        let stream = transport::connect(self.source()?, master, CONNECT_TIME).with_context(|| master.to_string())?;
        transport::prepare(&stream, self.lost_after)?;
        let stream = Arc::new(stream);
        let mut reader = LinkReader::new(Arc::clone(&stream), self.session, Role::Master, monotonic_now);
        let greeted = self.key.as_ref().map(|key| reader.greet(key)).transpose();
        let sealer = greeted.with_context(|| master.to_string())?;
        Ok(Connection { stream, reader, sealer, master })
    }

    /// The address to connect from. Each attempt looks it up anew, because the interface may have got another address.
    fn source(&self) -> Result<Option<Ipv4Addr>> {
        let interface = self.device.as_deref().map(interfaces::find).transpose()?;
        Ok(interface.map(|interface| interface.address))
    }

    /// Each attempt looks the name up anew, because its address may have changed.
    fn resolve(&self, master: &str) -> Result<SocketAddr> {
        let addresses = (master, self.port).to_socket_addrs().or_else(|_| master.to_socket_addrs());
        let mut addresses = addresses.with_context(|| format!("no address for {master}"))?;
        let ipv4 = addresses.find(SocketAddr::is_ipv4);
        ipv4.with_context(|| format!("no IPv4 address for {master}"))
    }
}

fn read(mut reader: LinkReader, lost_after: Duration, deliver: &impl Fn(ConnectionEvent)) {
    loop {
        match reader.next_frame() {
            Ok(Arrived { frame, at }) => {
                if is_of_synexec_master(&frame) {
                    reader.set_least_time(lost_after);
                }
                deliver(ConnectionEvent::Received(frame, at));
            }
            Err(why) => return deliver(ConnectionEvent::Ended(why)),
        }
    }
}

/// Whether this frame introduces a synexec master. An original master has the original's time for each message.
fn is_of_synexec_master(frame: &Frame) -> bool {
    frame.command() == Command::Probe && matches!(Capabilities::decode(frame.data()), Ok(Some(_)))
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(|_| ())
}
