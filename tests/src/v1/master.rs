//! A scripted master of version 1.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

use super::{Command, PATIENCE, Peer, frame, hex};
use crate::process::eventually;

/// Loopback's broadcast address.
const BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

/// Time from one invitation to the next, if no slave connects.
const EVERY_MICROS: i64 = 100_000;

/// A master of version 1 on loopback, at a port of its own.
#[derive(Debug)]
pub struct Master {
    session: u32,
    port: u16,
    listener: TcpListener,
    inviter: UdpSocket,
    /// Reserves the port number. Only the slaves share it.
    _reserved: UdpSocket,
}

impl Master {
    /// Opens a port that is free for TCP and, to the slaves, for UDP.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn listen(session: u32) -> Result<Self> {
        let (listener, reserved) = free_port()?;
        let inviter = inviter(Ipv4Addr::LOCALHOST)?;
        Ok(Self { session, port: listener.local_addr()?.port(), listener, inviter, _reserved: reserved })
    }

    /// The id of the master's session.
    pub fn session(&self) -> u32 {
        self.session
    }

    /// The port for `-p` of a slave.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The bytes of the master's UDP probe.
    ///
    /// # Errors
    ///
    /// Never in a test.
    pub fn invitation(&self) -> Result<Vec<u8>> {
        frame(self.session, Command::Probe, &[])
    }

    /// Broadcasts one UDP probe.
    ///
    /// # Errors
    ///
    /// If the datagram cannot be sent.
    pub fn invite(&self) -> Result<()> {
        self.broadcast(&self.invitation()?)
    }

    /// Broadcasts a datagram.
    ///
    /// # Errors
    ///
    /// If the datagram cannot be sent.
    pub fn broadcast(&self, datagram: &[u8]) -> Result<()> {
        self.send_to(BROADCAST, datagram)
    }

    /// Sends a datagram to an address of loopback.
    ///
    /// # Errors
    ///
    /// If the datagram cannot be sent.
    pub fn send_to(&self, address: Ipv4Addr, datagram: &[u8]) -> Result<()> {
        self.inviter.send_to(datagram, (address, self.port)).context("sending a datagram")?;
        Ok(())
    }

    /// Invites until a slave has connected.
    ///
    /// # Errors
    ///
    /// If no slave connects.
    pub fn accept(&self) -> Result<Peer> {
        self.accept_after(|| self.invite())
    }

    /// Does `call` again and again until a slave has connected.
    ///
    /// # Errors
    ///
    /// If no slave connects, or `call` fails.
    pub fn accept_after(&self, call: impl Fn() -> Result<()>) -> Result<Peer> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            call()?;
            if let Some(peer) = self.take()? {
                return Ok(peer);
            }
        }
        bail!("no slave connected to port {} of session {:#x}", self.port, self.session)
    }

    /// Goes through the whole discovery: invitation, hello, probe and answer.
    ///
    /// # Errors
    ///
    /// If a slave does not do its part.
    pub fn accept_slave(&self) -> Result<Peer> {
        let mut peer = self.accept()?;
        peer.expect_hello()?;
        peer.probe()?;
        Ok(peer)
    }

    /// Goes through discovery, and sends a conf that the slave accepts.
    ///
    /// # Errors
    ///
    /// If a slave does not do its part.
    pub fn configure(&self, conf: &[u8]) -> Result<Peer> {
        let mut peer = self.accept_slave()?;
        peer.send(Command::Conf, conf)?;
        peer.expect(Command::ConfOk)?;
        Ok(peer)
    }

    /// Holds a whole session. The command of the conf has ended when the call returns.
    ///
    /// # Errors
    ///
    /// If a slave does not do its part.
    pub fn run(&self, conf: &[u8]) -> Result<()> {
        let mut peer = self.configure(conf)?;
        peer.send(Command::Exec, &[])?;
        peer.expect(Command::ExecOk)?;
        peer.expect_finish()?;
        Ok(())
    }

    /// Checks that no connection waits to be accepted.
    ///
    /// # Errors
    ///
    /// If a connection waits.
    pub fn ensure_nobody_waits(&self) -> Result<()> {
        ensure_nobody_waits(&self.listener)
    }

    /// A decoy with the same port number. No slave should connect to the decoy.
    ///
    /// # Errors
    ///
    /// If the address is in use.
    pub fn decoy(&self) -> Result<Decoy> {
        Decoy::at(Ipv4Addr::new(127, 0, 0, 2), self.port)
    }

    fn take(&self) -> Result<Option<Peer>> {
        match self.listener.accept() {
            Ok((stream, _)) => Peer::new(stream, self.session).map(Some),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error).context("accepting"),
        }
    }
}

/// A sender of invalid invitations, at an address of its own. A slave that accepts an invalid invitation connects
/// there.
#[derive(Debug)]
pub struct Decoy {
    listener: TcpListener,
    sender: UdpSocket,
    port: u16,
}

impl Decoy {
    fn at(address: Ipv4Addr, port: u16) -> Result<Self> {
        let listener = TcpListener::bind((address, port)).context("a second listener at the port")?;
        Ok(Self { listener, sender: inviter(address)?, port })
    }

    /// Broadcasts a datagram.
    ///
    /// # Errors
    ///
    /// If the datagram cannot be sent.
    pub fn broadcast(&self, datagram: &[u8]) -> Result<()> {
        let to = SocketAddr::from((BROADCAST, self.port));
        self.sender.send_to(datagram, to).with_context(|| format!("sending {}", hex(datagram)))?;
        Ok(())
    }

    /// Does `call` again and again until a slave has called.
    ///
    /// # Errors
    ///
    /// If no slave connects, or `call` fails.
    pub fn wait_for_caller(&self, call: impl Fn() -> Result<()>) -> Result<()> {
        self.listener.set_nonblocking(true)?;
        let accepted = || call().map(|()| self.listener.accept().ok()).transpose();
        eventually("a slave that calls the decoy", accepted)?.map(drop)
    }

    /// Checks that no slave has connected.
    ///
    /// # Errors
    ///
    /// If a slave has connected.
    pub fn ensure_nobody_called(&self) -> Result<()> {
        ensure_nobody_waits(&self.listener)
    }
}

fn inviter(address: Ipv4Addr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.set_broadcast(true)?;
    Ok(socket)
}

fn ensure_nobody_waits(listener: &TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let outcome = listener.accept();
    listener.set_nonblocking(false)?;
    match outcome {
        Ok((_, address)) => bail!("unexpected connection from {address}"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error).context("accepting"),
    }
}

fn free_port() -> Result<(TcpListener, UdpSocket)> {
    for _ in 0..100 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let Ok(reserved) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, listener.local_addr()?.port())) else {
            continue;
        };
        // The port is shared only now, so that the reservation fails if another socket has the port.
        setsockopt(&reserved, sockopt::ReuseAddr, &true)?;
        setsockopt(&listener, sockopt::ReceiveTimeout, &TimeVal::new(0, EVERY_MICROS))?;
        return Ok((listener, reserved));
    }
    bail!("no port is free for TCP and UDP")
}
