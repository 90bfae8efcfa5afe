//! The threads that listen for a probe, connect, and read.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::{Context, Result};
use synexec_host::clock::monotonic_now;
use synexec_host::events::tell;
use synexec_host::interfaces;
use synexec_proto::slave;
use synexec_proto::transport::{self, Arrived, LinkReader, Messages, ProbeListener};
use synexec_proto::wire::SessionId;

use crate::dispatcher::{Event, LinkId};
use crate::options::Options;

/// Time for a master to answer a connection attempt.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Where masters are found, and how.
#[derive(Debug)]
pub struct Network {
    settings: Arc<Settings>,
    listener: Option<Arc<ProbeListener>>,
}

#[derive(Debug)]
struct Settings {
    session: SessionId,
    port: u16,
    device: Option<String>,
    master: Option<String>,
    lost_after: Duration,
}

impl Network {
    /// A network as the options say, with a listener that was bound early so that errors show early.
    pub fn new(options: &Options, listener: Option<ProbeListener>) -> Self {
        let settings = Settings {
            session: options.common.session(),
            port: options.common.port,
            device: options.common.interface.clone(),
            master: options.master.clone(),
            lost_after: options.common.lost_after(),
        };
        Self { settings: Arc::new(settings), listener: listener.map(Arc::new) }
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
        log::debug!("listening for probes on UDP port {}", settings.port);
        spawn("listen", move || {
            tell(
                &events,
                Event::Slave(match listener.wait(settings.session) {
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
            Ok((stream, master)) => {
                let stream = Arc::new(stream);
                tell(&events, Event::Linked { link, stream: Arc::clone(&stream), master });
                settings.read(stream, link, &events);
            }
            Err(error) => {
                tell(&events, Event::Slave(slave::Event::ConnectFailed { why: format!("{error:#}") }));
            }
        })
    }
}

impl Settings {
    fn connect(&self, invited_by: Option<SocketAddr>) -> Result<(TcpStream, SocketAddr)> {
        let master = match invited_by {
            Some(master) => master,
            None => self.resolve(self.master.as_deref().unwrap_or_default())?,
        };
        let stream = transport::connect(self.source()?, master, CONNECT_TIME).with_context(|| master.to_string())?;
        transport::prepare(&stream, self.lost_after)?;
        Ok((stream, master))
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

    fn read(&self, stream: Arc<TcpStream>, link: LinkId, events: &SyncSender<Event>) {
        let mut reader = LinkReader::new(stream, self.session, Messages::AnySize, monotonic_now);
        loop {
            match reader.next_frame() {
                Ok(Arrived { frame, at }) => {
                    tell(events, Event::Link { link, event: slave::Event::Received { frame, at } });
                }
                Err(why) => {
                    tell(events, Event::Link { link, event: slave::Event::Disconnected(why) });
                    return;
                }
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(|_| ())
}
