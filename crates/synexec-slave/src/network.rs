//! The threads that listen for a probe, connect, and read.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use synexec_host::allow::Allowed;
use synexec_host::clock::monotonic_now;
use synexec_host::events::tell;
use synexec_host::interfaces;
use synexec_proto::message::Capabilities;
use synexec_proto::secure::{Key, Sealer};
use synexec_proto::transport::{self, Arrived, LinkReader, Messages, ProbeListener};
use synexec_proto::wire::{Command, Frame, SessionId};
use synexec_session::slave;

use crate::dispatcher::{Event, LinkId};
use crate::invitations::Invitations;
use crate::options::Options;

/// Time for a master to answer a connection attempt. The kernel asks again after one second, and then three, which is no
/// better than another attempt.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// Where masters are found, and how.
#[derive(Debug)]
pub struct Network {
    settings: Arc<Settings>,
    listener: Option<Arc<ProbeListener>>,
    /// For the one thread that listens.
    invitations: Arc<Mutex<Invitations>>,
}

#[derive(Debug)]
struct Settings {
    session: SessionId,
    port: u16,
    device: Option<String>,
    master: Option<String>,
    key: Option<Arc<Key>>,
    allowed: Allowed,
    lost_after: Duration,
}

/// A connection on which a session can begin.
struct Linked {
    stream: Arc<TcpStream>,
    reader: LinkReader,
    sealer: Option<Sealer>,
    master: SocketAddr,
}

impl Network {
    /// A network as the options say, with a listener that was bound early so that errors show early.
    pub fn new(options: &Options, key: Option<Arc<Key>>, listener: Option<ProbeListener>) -> Self {
        let (session, allowed) = (options.common.session(), options.common.allowed());
        let invitations = Invitations::new(session, key.clone(), allowed.clone());
        let settings = Settings {
            session,
            port: options.common.port,
            device: options.common.interface.clone(),
            master: options.master.clone(),
            key,
            allowed,
            lost_after: options.common.lost_after(),
        };
        let invitations = Arc::new(Mutex::new(invitations));
        Self { settings: Arc::new(settings), listener: listener.map(Arc::new), invitations }
    }

    /// Waits for a probe, in a thread that ends with it. The socket stays until a connection stands: a master that
    /// cannot be reached at one of its addresses may have sent its probe from another one too.
    ///
    /// # Errors
    /// When the port is taken, or no thread is to be had.
    pub fn listen(&mut self, events: SyncSender<Event>) -> io::Result<()> {
        let settings = Arc::clone(&self.settings);
        let listener = match &self.listener {
            Some(listener) => Arc::clone(listener),
            None => Arc::new(ProbeListener::bind(settings.port, settings.device.as_deref())?),
        };
        self.listener = Some(Arc::clone(&listener));
        let invitations = Arc::clone(&self.invitations);
        log::debug!("listening for probes on UDP port {}", settings.port);
        spawn("listen", move || {
            let mut invitations = invitations.lock().unwrap_or_else(PoisonError::into_inner);
            let heard = listener.wait(|datagram, sender| invitations.accept(datagram, sender));
            drop(invitations);
            tell(
                &events,
                Event::Slave(match heard {
                    Ok(sender) => slave::Event::Invited { master: SocketAddr::new(sender.ip(), settings.port) },
                    Err(error) => slave::Event::ListenFailed { why: error.to_string() },
                }),
            );
        })
    }

    /// Closes the listening socket: while a slave is connected it does not listen, so that other slaves of this host are
    /// the ones to hear a probe that reaches only one of them.
    pub fn stop_listening(&mut self) {
        self.listener = None;
    }

    /// Connects to a master, and then reads what it says.
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn connect(&self, invited_by: Option<SocketAddr>, link: LinkId, events: SyncSender<Event>) -> io::Result<()> {
        let settings = Arc::clone(&self.settings);
        spawn("link", move || match settings.connect(invited_by) {
            Ok(Linked { stream, reader, sealer, master }) => {
                tell(&events, Event::Linked { link, stream, sealer, master });
                read(reader, link, settings.lost_after, &events);
            }
            Err(error) => {
                let event = slave::Event::ConnectFailed { why: format!("{error:#}") };
                tell(&events, Event::Link { link, event });
            }
        })
    }
}

impl Settings {
    fn connect(&self, invited_by: Option<SocketAddr>) -> Result<Linked> {
        let master = match invited_by {
            Some(master) => master,
            None => self.resolve(self.master.as_deref().unwrap_or_default())?,
        };
        ensure!(self.allowed.has(master.ip()), "{} is not among the addresses of --allow", master.ip());
        let stream = transport::connect(self.source()?, master, CONNECT_TIME).with_context(|| master.to_string())?;
        transport::prepare(&stream, self.lost_after)?;
        let stream = Arc::new(stream);
        let mut reader = LinkReader::new(Arc::clone(&stream), self.session, Messages::AnySize, monotonic_now);
        let greeted = self.key.as_ref().map(|key| reader.greet(key)).transpose();
        let sealer = greeted.with_context(|| master.to_string())?;
        Ok(Linked { stream, reader, sealer, master })
    }

    /// Looked up at every attempt: an interface may get another address while we wait.
    fn source(&self) -> Result<Option<Ipv4Addr>> {
        let interface = self.device.as_deref().map(interfaces::find).transpose()?;
        Ok(interface.map(|interface| interface.address))
    }

    /// Looked up at every attempt: a name may come to mean something while we wait.
    fn resolve(&self, master: &str) -> Result<SocketAddr> {
        let addresses = (master, self.port).to_socket_addrs().or_else(|_| master.to_socket_addrs());
        let mut addresses = addresses.with_context(|| format!("no address for {master}"))?;
        let ipv4 = addresses.find(SocketAddr::is_ipv4);
        ipv4.with_context(|| format!("no IPv4 address for {master}"))
    }
}

fn read(mut reader: LinkReader, link: LinkId, lost_after: Duration, events: &SyncSender<Event>) {
    loop {
        match reader.next_frame() {
            Ok(Arrived { frame, at }) => {
                if is_of_ours(&frame) {
                    reader.be_patient(lost_after);
                }
                tell(events, Event::Link { link, event: slave::Event::Received { frame, at } });
            }
            Err(why) => {
                tell(events, Event::Link { link, event: slave::Event::Disconnected(why) });
                return;
            }
        }
    }
}

/// Whether a master says with this that it is one of ours. An original has the original's time for each message.
fn is_of_ours(frame: &Frame) -> bool {
    frame.command() == Command::Probe && matches!(Capabilities::decode(frame.data()), Ok(Some(_)))
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(|_| ())
}
