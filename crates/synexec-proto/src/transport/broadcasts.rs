//! Receiving the probes that masters send to all hosts of a network.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};

use super::discovery::{DATAGRAM_MAX, listening_socket};

/// A socket that receives what is sent to a broadcast address, and nothing else. It does not take a datagram away from
/// a slave on this host: the kernel gives a broadcast to all sockets, and a unicast never to this one.
#[derive(Debug)]
pub struct BroadcastListener(UdpSocket);

impl BroadcastListener {
    /// Listens at a broadcast address, on one interface or on all. Slaves and other masters on this host can share the
    /// port.
    ///
    /// # Errors
    /// Errors of the socket; `AddrInUse` when another program uses the port and does not share it.
    pub fn bind(broadcast: SocketAddrV4, device: Option<&str>) -> io::Result<Self> {
        listening_socket(broadcast, device).map(Self)
    }

    /// Gives the datagrams that have arrived, at most this many, each with its sender. Returns at once.
    ///
    /// # Errors
    /// Errors of the socket.
    pub fn take(&self, most: usize, mut receive: impl FnMut(&[u8], SocketAddr)) -> io::Result<()> {
        let mut datagram = [0; DATAGRAM_MAX];
        for _ in 0..most {
            match self.0.recv_from(&mut datagram) {
                Ok((length, sender)) => receive(datagram.get(..length).unwrap_or_default(), sender),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::transport::ProbeListener;

    /// The broadcast address of loopback.
    const BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

    fn taken(listener: &BroadcastListener) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        listener.take(10, |datagram, _| taken.push(datagram.to_vec())).unwrap();
        taken
    }

    #[test]
    fn a_slave_on_the_same_host_hears_everything_and_the_listener_only_broadcasts() {
        let listener = BroadcastListener::bind(SocketAddrV4::new(BROADCAST, 0), Some("lo")).unwrap();
        let port = listener.0.local_addr().unwrap().port();
        let slave = ProbeListener::bind(port, Some("lo")).unwrap();
        let another = BroadcastListener::bind(SocketAddrV4::new(BROADCAST, port), Some("lo")).unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        sender.set_broadcast(true).unwrap();
        for number in 0..20_u8 {
            sender.send_to(&[b'u', number], (Ipv4Addr::LOCALHOST, port)).unwrap();
        }
        sender.send_to(b"all", (BROADCAST, port)).unwrap();
        let mut heard = Vec::new();
        let is_last = |datagram: &[u8], _| {
            heard.push(datagram.to_vec());
            datagram == b"all"
        };
        assert!(slave.next_sender(is_last).unwrap().is_some());
        assert_eq!(heard.len(), 21);
        for listener in [listener, another] {
            let since = Instant::now();
            let mut all = taken(&listener);
            while all.is_empty() && since.elapsed() < Duration::from_secs(60) {
                all = taken(&listener);
            }
            assert_eq!(all, [b"all"]);
        }
    }
}
