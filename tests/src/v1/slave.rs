//! A scripted slave of version 1.

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, bail};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use super::{Command, PATIENCE, Peer, frame, hex};
use crate::process::uninterrupted;

/// Longer than any datagram that a master sends.
const DATAGRAM: usize = 2048;

/// A slave of version 1 on loopback, at a UDP port of its own.
#[derive(Debug)]
pub struct Slave {
    session: u32,
    address: Ipv4Addr,
    ear: UdpSocket,
}

impl Slave {
    /// A slave at 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn new(session: u32) -> Result<Self> {
        Self::at(session, Ipv4Addr::LOCALHOST)
    }

    /// A slave at this address of loopback.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn at(session: u32, address: Ipv4Addr) -> Result<Self> {
        let ear = UdpSocket::bind((address, 0))?;
        ear.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { session, address, ear })
    }

    /// This many slaves at the addresses from 127.0.0.11 on, so that each has a row of its own in the master's table.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn several(session: u32, count: u8) -> Result<Vec<Self>> {
        (0..count).map(|n| Self::at(session, Ipv4Addr::new(127, 0, 0, 11 + n))).collect()
    }

    /// The id of the slave's session.
    pub fn session(&self) -> u32 {
        self.session
    }

    /// The address from which the slave connects.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The value of `-t` with which a master reaches the slave.
    ///
    /// # Errors
    ///
    /// If the socket has no address.
    pub fn target(&self) -> Result<String> {
        Ok(self.ear.local_addr()?.to_string())
    }

    /// Waits for a UDP probe, which must equal the original's byte for byte.
    ///
    /// # Errors
    ///
    /// If no datagram comes, or another one.
    pub fn await_invitation(&self) -> Result<()> {
        let mut buffer = [0; DATAGRAM];
        let length = uninterrupted(|| self.ear.recv(&mut buffer)).context("no UDP probe came")?;
        let expected = frame(self.session, Command::Probe, &[])?;
        if buffer[..length] != expected {
            bail!("expected a UDP probe\nexpected: {}\nreceived: {}", hex(&expected), hex(&buffer[..length]));
        }
        Ok(())
    }

    /// Connects to a master's port from the slave's own address.
    ///
    /// # Errors
    ///
    /// If no master listens there.
    pub fn connect(&self, port: u16) -> Result<Peer> {
        let end = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(end.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(self.address, 0)))?;
        let master = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        connect(end.as_raw_fd(), &master).with_context(|| format!("connecting to port {port}"))?;
        Peer::new(TcpStream::from(end), self.session)
    }

    /// Waits for an invitation, connects and says hello.
    ///
    /// # Errors
    ///
    /// If the master does not do its part.
    pub fn hello(&self, port: u16) -> Result<Peer> {
        self.await_invitation()?;
        let mut peer = self.connect(port)?;
        peer.send(Command::Reply, &[])?;
        Ok(peer)
    }

    /// Goes through the whole discovery.
    ///
    /// # Errors
    ///
    /// If the master does not do its part.
    pub fn join(&self, port: u16) -> Result<Peer> {
        let mut peer = self.hello(port)?;
        peer.answer_probe()?;
        Ok(peer)
    }
}
