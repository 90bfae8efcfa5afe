//! The sockets to which slaves connect.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use synexec_host::interfaces::{Address, Interface, Presence, Scope};
use synexec_proto::transport;

/// Time until another attempt to listen on an address, if the first one failed.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// One socket for each address of the interface of `--interface`, or one socket for all interfaces. All have the same
/// port.
#[derive(Debug)]
pub struct Listeners {
    scope: Scope,
    port: u16,
    open: Vec<(Ipv4Addr, TcpListener)>,
}

impl Listeners {
    /// Listens on all addresses that are there now. With port 0, the system chooses a port.
    ///
    /// # Errors
    /// The port is not free, or not allowed.
    pub fn open(scope: Scope, port: u16) -> io::Result<Self> {
        let found = scope.look().unwrap_or_default();
        let mut listeners = Self { scope, port, open: Vec::new() };
        if port == 0 {
            listeners.choose_port(&found)?;
        }
        listeners.listen_on(&found)?;
        Ok(listeners)
    }

    /// Has the system choose a port. If the interface is missing, the port may be taken before the interface is there.
    fn choose_port(&mut self, found: &[Interface]) -> io::Result<()> {
        let address = self.addresses(found).first().copied();
        let listener = listen(address.unwrap_or(Ipv4Addr::UNSPECIFIED), 0)?;
        self.port = listener.local_addr()?.port();
        self.open.extend(address.map(|address| (address, listener)));
        Ok(())
    }

    /// The port of all sockets.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Watches the interfaces, and accepts connections meanwhile.
    pub fn watch(self) -> WatchedListeners {
        let presence = Presence::new(self.scope.clone());
        let mut watched = WatchedListeners { listeners: self, presence, told: None };
        watched.look();
        watched
    }

    /// The addresses to listen on.
    fn addresses(&self, found: &[Interface]) -> Vec<Ipv4Addr> {
        match self.scope {
            Scope::All => vec![Ipv4Addr::UNSPECIFIED],
            Scope::One(_) => found.iter().flat_map(|interface| &interface.addresses).map(Address::ip).collect(),
        }
    }

    /// Listens on these interfaces, and no longer on addresses that they do not have. While the interface is missing,
    /// the sockets stay: they work again if the interface comes back with the same addresses.
    ///
    /// # Errors
    /// The first error, after all addresses were tried.
    fn listen_on(&mut self, found: &[Interface]) -> io::Result<()> {
        let wanted = self.addresses(found);
        if wanted.is_empty() {
            return Ok(());
        }
        self.open.retain(|(address, _)| wanted.contains(address));
        let mut result = Ok(());
        for address in wanted {
            if self.open.iter().all(|(open, _)| *open != address) {
                match listen(address, self.port) {
                    Ok(listener) => self.open.push((address, listener)),
                    // The address has gone since the look.
                    Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
                    Err(error) => result = result.and(Err(error)),
                }
            }
        }
        result
    }

    /// A connection that waits at one of the sockets, which take turns.
    fn take(&mut self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        for at in 0..self.open.len() {
            let Some((_, listener)) = self.open.get(at) else { break };
            match listener.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                accepted => {
                    self.open.rotate_left(at + 1);
                    return accepted.map(Some);
                }
            }
        }
        Ok(None)
    }
}

/// Listeners that follow the addresses of their interface.
#[derive(Debug)]
pub struct WatchedListeners {
    listeners: Listeners,
    presence: Presence,
    /// The failure to listen that the user knows of.
    told: Option<io::ErrorKind>,
}

impl WatchedListeners {
    /// Waits for a connection.
    ///
    /// # Errors
    /// Errors of accept(2) and poll(2).
    pub fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            if let Some(accepted) = self.listeners.take()? {
                return Ok(accepted);
            }
            let sockets: Vec<_> = self.listeners.open.iter().map(|(_, listener)| listener.as_fd()).collect();
            if self.presence.wait(&sockets, self.told.map(|_| TRY_AGAIN))? {
                self.look();
            }
        }
    }

    /// Listens where the interface is now.
    fn look(&mut self) {
        let listening = self.listeners.listen_on(&self.presence.look());
        if let Err(error) = &listening
            && self.told != Some(error.kind())
        {
            log::warn!("cannot listen on TCP port {}: {error}; trying again", self.listeners.port);
        }
        self.told = listening.err().map(|error| error.kind());
    }
}

fn listen(address: Ipv4Addr, port: u16) -> io::Result<TcpListener> {
    let listener = transport::listen(address, port)?;
    listener.set_nonblocking(true)?;
    log::debug!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(addresses: &[&str]) -> Vec<Interface> {
        let mut found = Scope::One("lo".into()).look().unwrap();
        let in_network = |address: &&str| Address::new(format!("{address}/8").parse().unwrap());
        found[0].addresses = addresses.iter().map(in_network).collect();
        found
    }

    fn open_at(listeners: &Listeners) -> Vec<String> {
        let mut open: Vec<_> = listeners.open.iter().map(|(address, _)| address.to_string()).collect();
        open.sort();
        open
    }

    #[test]
    fn the_sockets_follow_the_addresses_and_keep_the_port() {
        let mut listeners = Listeners::open(Scope::One("lo".into()), 0).unwrap();
        let port = listeners.port();
        assert!(port != 0 && open_at(&listeners) == ["127.0.0.1"]);
        listeners.listen_on(&loopback(&["127.0.0.2", "127.0.0.3"])).unwrap();
        assert_eq!(open_at(&listeners), ["127.0.0.2", "127.0.0.3"]);
        listeners.listen_on(&[]).unwrap();
        assert_eq!(open_at(&listeners), ["127.0.0.2", "127.0.0.3"], "the interface is missing for a while");
        listeners.listen_on(&loopback(&["127.0.0.3", "127.0.0.1"])).unwrap();
        assert_eq!(open_at(&listeners), ["127.0.0.1", "127.0.0.3"]);
        assert!(listeners.open.iter().all(|(_, listener)| listener.local_addr().unwrap().port() == port));
    }

    #[test]
    fn connections_are_accepted_at_each_address() {
        let mut listeners = Listeners::open(Scope::One("lo".into()), 0).unwrap();
        listeners.listen_on(&loopback(&["127.0.0.1", "127.0.0.2"])).unwrap();
        let port = listeners.port();
        let _streams: Vec<_> = ["127.0.0.1", "127.0.0.1", "127.0.0.2"]
            .iter()
            .map(|address| TcpStream::connect((*address, port)).unwrap())
            .collect();
        let accepted: Vec<_> =
            std::iter::from_fn(|| listeners.take().unwrap()).map(|(stream, _)| stream.local_addr().unwrap()).collect();
        let mut ips: Vec<_> = accepted.iter().map(|address| address.ip().to_string()).collect();
        assert_ne!(ips[0], ips[1], "the sockets take turns");
        ips.sort();
        assert_eq!(ips, ["127.0.0.1", "127.0.0.1", "127.0.0.2"]);
    }

    #[test]
    fn a_missing_interface_is_no_error_and_has_a_port() {
        let listeners = Listeners::open(Scope::One("nowhere0".into()), 0).unwrap();
        assert!(listeners.port() != 0 && listeners.open.is_empty());
    }

    #[test]
    fn a_port_that_is_not_free_is_an_error_at_once() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = Listeners::open(Scope::One("lo".into()), taken.local_addr().unwrap().port()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
