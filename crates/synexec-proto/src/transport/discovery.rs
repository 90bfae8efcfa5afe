//! Discovery: a master's probes go out by UDP, and a slave waits for one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// More than any probe has; a longer datagram is cut short.
const DATAGRAM_MAX: usize = 256;

/// One way on which probes leave: an interface, or none for what the routing table decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRoute {
    /// Interface to leave by.
    pub device: Option<String>,
    /// Address to send from, to which slaves connect.
    pub source: Ipv4Addr,
    /// Where to.
    pub destinations: Vec<SocketAddrV4>,
}

impl ProbeRoute {
    /// Sends one probe to each destination, made for it.
    ///
    /// # Errors
    /// That of the first destination which could not be reached, or for which no probe could be made, when all have been
    /// tried.
    pub fn send_probe(&self, probe: impl Fn() -> io::Result<Vec<u8>>) -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_broadcast(true)?;
        if let Some(device) = &self.device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        socket.bind(&SocketAddrV4::new(self.source, 0).into())?;
        let mut result = Ok(());
        for destination in &self.destinations {
            let sent = probe().and_then(|probe| socket.send_to(&probe, &(*destination).into()));
            result = result.and(sent.map(|_| ()));
        }
        result
    }
}

/// A socket that hears probes, shared with other slaves on this host.
#[derive(Debug)]
pub struct ProbeListener {
    socket: UdpSocket,
}

impl ProbeListener {
    /// Listens on a port, on one interface or on all.
    ///
    /// # Errors
    /// Those of the socket; `AddrInUse` when a program that does not share has the port.
    pub fn bind(port: u16, device: Option<&str>) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        if let Some(device) = device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
        Ok(Self { socket: socket.into() })
    }

    /// Waits for a datagram that is accepted, and gives its sender. All else is passed over.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn wait(&self, mut accepts: impl FnMut(&[u8], SocketAddr) -> bool) -> io::Result<SocketAddr> {
        let mut datagram = [0; DATAGRAM_MAX];
        loop {
            match self.socket.recv_from(&mut datagram) {
                Ok((length, sender)) => {
                    if datagram.get(..length).is_some_and(|bytes| accepts(bytes, sender)) {
                        return Ok(sender);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
