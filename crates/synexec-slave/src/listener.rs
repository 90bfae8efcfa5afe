//! Waiting for probes on the interfaces that the slave may use, while these come and go.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use log::Level;
use nix::errno::Errno;
use synexec_host::interfaces::{Interface, Presence, Scope};
use synexec_host::log_limit::{self, Kind};
use synexec_proto::transport::ProbeListener;

use crate::candidates::Candidates;

/// After each connection that a stranger's probe causes, the slave listens again.
const LISTENING: Kind = Kind::of_peers("times that the slave listens for probes", 64);

/// Waits for probes. The socket stays open between two waits, until [`Listener::close`].
#[derive(Debug)]
pub struct Listener {
    scope: Scope,
    port: u16,
    candidates: Candidates,
    /// None while the slave does not listen.
    presence: Option<Presence>,
    /// None while the interface is missing.
    bound: Option<Bound>,
}

/// A socket, and the number of the interface to which it is bound. The socket hears nothing any more when this
/// interface is gone, even if another interface has its name.
#[derive(Debug)]
struct Bound {
    socket: ProbeListener,
    index: Option<usize>,
}

impl Listener {
    /// Listens on no interface yet.
    pub fn new(scope: Scope, port: u16) -> Self {
        Self { scope, port, candidates: Candidates::default(), presence: None, bound: None }
    }

    /// Opens the socket, unless the interface is missing.
    ///
    /// # Errors
    /// The port is not free, or not allowed.
    pub fn open(&mut self) -> io::Result<()> {
        let found = self.scope.look().unwrap_or_default();
        self.bind_to(&found).map(drop)
    }

    /// Waits for a probe that `accepts` accepts; returns its sender. Tells the user what is missing meanwhile.
    ///
    /// # Errors
    /// The port is not free, or the socket fails.
    pub fn wait(&mut self, accepts: impl FnMut(&[u8], SocketAddr) -> bool) -> io::Result<SocketAddr> {
        let scope = self.scope.clone();
        let mut presence = self.presence.take().unwrap_or_else(|| Presence::new(scope));
        let heard = self.wait_at(&mut presence, accepts);
        self.presence = Some(presence);
        heard
    }

    fn wait_at(
        &mut self,
        presence: &mut Presence,
        mut accepts: impl FnMut(&[u8], SocketAddr) -> bool,
    ) -> io::Result<SocketAddr> {
        self.bind_to(&presence.look())?;
        self.say_where();
        loop {
            if let Some(bound) = &self.bound {
                self.candidates.collect(&bound.socket, &mut accepts)?;
            }
            if let Some(sender) = self.candidates.choose() {
                return Ok(sender);
            }
            let sockets: Vec<_> = self.bound.iter().map(|bound| bound.socket.as_fd()).collect();
            if presence.wait(&sockets, None)? && self.bind_to(&presence.look())? {
                self.say_where();
            }
        }
    }

    /// Binds the socket to the interface that was found, or to all; returns whether this socket is a new one. The
    /// socket of a missing interface is closed.
    fn bind_to(&mut self, found: &[Interface]) -> io::Result<bool> {
        let name = self.scope.name();
        let index = found.first().map(|interface| interface.index).filter(|_| name.is_some());
        let is_missing = name.is_some() && index.is_none();
        if self.bound.as_ref().is_some_and(|bound| bound.index == index) {
            return Ok(false);
        }
        self.bound = None;
        if is_missing {
            return Ok(false);
        }
        match ProbeListener::bind(self.port, name) {
            Ok(socket) => self.bound = Some(Bound { socket, index }),
            // The interface has gone since it was found.
            Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => {}
            Err(error) => return Err(error),
        }
        Ok(self.bound.is_some())
    }

    fn say_where(&self) {
        let interface = self.scope.name().map(|name| format!(" of {name}")).unwrap_or_default();
        if self.bound.is_some() {
            let line = format!("listening for probes on UDP port {}{interface}", self.port);
            log_limit::tell(LISTENING, Level::Debug, self.port, line);
        }
    }

    /// Closes the socket, and forgets the probes that were heard.
    pub fn close(&mut self) {
        (self.bound, self.presence) = (None, None);
        self.candidates.forget_heard();
    }

    /// No master can be reached at this address.
    pub fn note_failure(&mut self, master: SocketAddr) {
        self.candidates.note_failure(master);
    }
}
