//! The threads that listen for a probe, connect to a master, and read its messages.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use synexec_host::allow::AllowedNetworks;
use synexec_host::clock::monotonic_now;
use synexec_host::host_port;
use synexec_host::interfaces::{Missing, Scope};
use synexec_host::random;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Capabilities;
use synexec_proto::secure::{Key, Sealer};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::transport::{self, Arrived, LinkReader};
use synexec_proto::wire::{Command, Frame, Role, SessionId};

use crate::invitations::Invitations;
use crate::listener::Listener;
use crate::options::Options;

/// Time for a master to answer a connection attempt. The kernel repeats its packet after one second and after three
/// more; a new attempt is as good.
const CONNECT_TIME: Duration = Duration::from_secs(2);

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
    /// The listening thread holds both locks while it waits, and nobody else needs the listener then.
    listener: Arc<Mutex<Listener>>,
    invitations: Arc<Mutex<Invitations>>,
    /// The address of the last attempt to connect, if a probe came from it.
    invited_by: Option<SocketAddr>,
}

/// Makes connections to masters.
#[derive(Debug)]
struct Connector {
    session: SessionId,
    port: u16,
    scope: Scope,
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
    /// A network as the options say. The listener was opened at the start of the program so that errors show early.
    pub fn new(options: &Options, key: Option<Arc<Key>>, listener: Listener) -> Self {
        let (session, allowed) = (options.common.session(), options.common.allowed());
        let invitations = Invitations::new(session, key.clone(), allowed.clone());
        let connector = Connector {
            session,
            port: options.common.port,
            scope: options.common.scope(),
            master: options.master.clone(),
            key,
            allowed,
            lost_after: options.common.lost_after(),
        };
        let (listener, invitations) = (Arc::new(Mutex::new(listener)), Arc::new(Mutex::new(invitations)));
        Self { connector: Arc::new(connector), listener, invitations, invited_by: None }
    }

    /// Waits in a thread for one probe, and delivers the address of its master. The socket stays until a connection is
    /// there: a master that cannot be reached at one of its addresses may have sent its probe from another one too.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn listen(&self, deliver: impl FnOnce(io::Result<SocketAddr>) + Send + 'static) -> io::Result<()> {
        let (listener, invitations) = (Arc::clone(&self.listener), Arc::clone(&self.invitations));
        let port = self.connector.port;
        spawn("listen", move || {
            let mut invitations = lock(&invitations);
            let heard = lock(&listener).wait(|datagram, sender| invitations.accept(datagram, sender));
            drop(invitations);
            deliver(heard.map(|sender| SocketAddr::new(sender.ip(), port)));
        })
    }

    /// Closes the listening socket. A slave that is connected or makes way for other slaves of its host does not listen, so
    /// that a probe that reaches only one slave of this host reaches a slave that is free.
    pub fn stop_listening(&self) {
        lock(&self.listener).close();
    }

    /// The last attempt to connect has failed: other addresses that probes came from are tried before this one.
    pub fn note_failure(&self) {
        if let Some(master) = self.invited_by {
            lock(&self.listener).note_failure(master);
        }
    }

    /// Connects in a thread to the master that has invited this slave, or to the one that the user gave, and reads its
    /// messages.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn connect(
        &mut self,
        invited_by: Option<SocketAddr>,
        deliver: impl Fn(ConnectionEvent) + Send + 'static,
    ) -> io::Result<()> {
        self.invited_by = invited_by;
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
    fn connect(&self, known: Option<SocketAddr>) -> Result<Connection> {
        if self.key.is_some() {
            random::wait_until_ready()?;
        }
        let (stream, master) = self.find(known)?;
        transport::prepare(&stream, self.lost_after)?;
        let stream = Arc::new(stream);
        let mut reader = LinkReader::new(Arc::clone(&stream), self.session, Role::Master, monotonic_now);
        let greeted = self.key.as_ref().map(|key| reader.greet(key)).transpose();
        let sealer = greeted.with_context(|| master.to_string())?;
        Ok(Connection { stream, reader, sealer, master })
    }

    /// Connects to the address that is known from a probe or an earlier connection, or else to an address of the master
    /// that the user gave. The name is looked up anew, because its addresses may have changed, but only after the known
    /// address has failed: a look-up takes long when the network is disturbed.
    fn find(&self, known: Option<SocketAddr>) -> Result<(TcpStream, SocketAddr)> {
        let at_known = known.map(|master| self.reach_any(&[master]));
        match (at_known, self.master.as_deref()) {
            (Some(Ok(found)), _) => Ok(found),
            (Some(Err(error)), None) => Err(error),
            (Some(Err(_)) | None, name) => self.reach_any(&resolve(name.unwrap_or_default(), self.port)?),
        }
    }

    /// The first connection that can be made to one of the addresses, or the first error.
    fn reach_any(&self, masters: &[SocketAddr]) -> Result<(TcpStream, SocketAddr)> {
        let mut first_error = None;
        for master in masters {
            match self.reach(*master) {
                Ok(stream) => return Ok((stream, *master)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| anyhow!("the master has no address")))
    }

    fn reach(&self, master: SocketAddr) -> Result<TcpStream> {
        ensure!(self.allowed.has(master.ip()), "{} is not among the addresses of --allow", master.ip());
        let connected = transport::connect(self.source(master)?, master, CONNECT_TIME);
        connected.map_err(|error| self.explain(error, master))
    }

    /// The address to connect from; none to let the kernel choose. Each attempt looks it up anew, because interfaces
    /// come and go.
    fn source(&self, master: SocketAddr) -> Result<Option<Ipv4Addr>, Missing> {
        let SocketAddr::V4(master) = master else { return Ok(None) };
        match self.scope {
            Scope::All => Ok(None),
            Scope::One(_) => Ok(self.scope.look()?.first().and_then(|interface| interface.source_for(*master.ip()))),
        }
    }

    /// Why no connection was made: a host without an IPv4 address reaches no master on another host.
    fn explain(&self, error: io::Error, master: SocketAddr) -> anyhow::Error {
        match self.scope.look() {
            Err(missing @ Missing::AnyAddress { .. }) if !master.ip().is_loopback() => missing.into(),
            _ => anyhow::Error::from(error).context(master.to_string()),
        }
    }
}

/// All IPv4 addresses of a host, with the port if the text gives none.
fn resolve(master: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let ipv4 = host_port::look_up(master, port).with_context(|| format!("no address for {master}"))?;
    ensure!(!ipv4.is_empty(), "no IPv4 address for {master}; only IPv4 is supported");
    Ok(ipv4.into_iter().map(SocketAddr::V4).collect())
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

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_without_an_ipv4_address_is_told_why() {
        assert_eq!(resolve("localhost", 77).unwrap(), [SocketAddr::from(([127, 0, 0, 1], 77))]);
        let error = resolve("::1", 77).unwrap_err().to_string();
        assert!(error.contains("only IPv4 is supported"), "{error}");
        // No resolver sends a query for a label of more than 63 letters.
        let unknown = "x".repeat(64);
        let error = format!("{:#}", resolve(&unknown, 77).unwrap_err());
        assert!(error.starts_with(&format!("no address for {unknown}: ")) && error.contains("lookup"), "{error}");
    }
}
