//! Discovery: a master sends probes by UDP, and a slave waits for one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

/// Longest received datagram, in bytes: longer than any probe. The rest of a longer datagram is dropped.
pub(super) const DATAGRAM_MAX: usize = 256;

/// Most datagrams that are dropped one after another before the caller can look at anything else.
const DATAGRAMS_AT_ONCE: usize = 256;

/// One way for probes: through an interface, or by the routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRoute {
    /// The interface; none to send by the routing table.
    pub device: Option<String>,
    /// The source address of probes, to which slaves connect.
    pub source: Ipv4Addr,
    /// The addresses that get a probe.
    pub destinations: Vec<SocketAddrV4>,
}

impl ProbeRoute {
    /// Sends one probe to each destination. `probe` makes a new one for each.
    ///
    /// # Errors
    /// The first error, after all destinations were tried.
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

/// A socket that shares its address with other sockets of this host, and does not block.
pub(super) fn listening_socket(address: SocketAddrV4, device: Option<&str>) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes())).map_err(|error| of_device(device, error))?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Adds the interface to an error of permission, which otherwise looks like one of the port. Before Linux 5.7, only root
/// may bind a socket to an interface.
fn of_device(device: &str, error: io::Error) -> io::Error {
    match error.kind() {
        kind @ io::ErrorKind::PermissionDenied => {
            io::Error::new(kind, format!("cannot bind to the interface {device}: {error}"))
        }
        _ => error,
    }
}

/// A socket that receives probes. Other slaves on this host can share its port.
#[derive(Debug)]
pub struct ProbeListener {
    socket: UdpSocket,
}

impl ProbeListener {
    /// Listens on a port, on one interface or on all.
    ///
    /// # Errors
    /// Errors of the socket; `AddrInUse` when another program uses the port and does not share it.
    pub fn bind(port: u16, device: Option<&str>) -> io::Result<Self> {
        Ok(Self { socket: listening_socket(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port), device)? })
    }

    /// The sender of the next datagram that waits and that `accepts` accepts; none if no such datagram waits. Other
    /// datagrams are dropped, and at most 256 datagrams are looked at.
    ///
    /// # Errors
    /// Errors of the socket.
    pub fn next_sender(&self, mut accepts: impl FnMut(&[u8], SocketAddr) -> bool) -> io::Result<Option<SocketAddr>> {
        let mut datagram = [0; DATAGRAM_MAX];
        for _ in 0..DATAGRAMS_AT_ONCE {
            match self.socket.recv_from(&mut datagram) {
                Ok((length, sender)) => {
                    if datagram.get(..length).is_some_and(|bytes| accepts(bytes, sender)) {
                        return Ok(Some(sender));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl AsFd for ProbeListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_permission_names_the_interface() {
        let told = |errno| of_device("eth7", io::Error::from_raw_os_error(errno));
        let (permission, no_device) = (1, 19);
        assert!(told(permission).to_string().starts_with("cannot bind to the interface eth7: Operation not permitted"));
        assert_eq!(told(permission).kind(), io::ErrorKind::PermissionDenied);
        // By this number, a slave knows that the interface has gone.
        assert_eq!(told(no_device).raw_os_error(), Some(no_device));
    }
}
