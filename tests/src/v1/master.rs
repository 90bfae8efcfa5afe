//! The scripted master.

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

/// How long an invitation may take to bring a connection before the next.
const EVERY_MICROS: i64 = 100_000;

/// A master of version 1 on loopback, at a port of its own.
#[derive(Debug)]
pub struct Master {
    session: u32,
    port: u16,
    listener: TcpListener,
    inviter: UdpSocket,
    /// Keeps the port number from everyone but the slaves, which share it.
    _reserved: UdpSocket,
}

impl Master {
    /// Opens a port that is free for TCP and, to the slaves, for UDP.
    ///
    /// # Errors
    ///
    /// When none can be had.
    pub fn listen(session: u32) -> Result<Self> {
        let (listener, reserved) = free_port()?;
        let inviter = inviter(Ipv4Addr::LOCALHOST)?;
        Ok(Self { session, port: listener.local_addr()?.port(), listener, inviter, _reserved: reserved })
    }

    /// The session that it holds.
    pub fn session(&self) -> u32 {
        self.session
    }

    /// The port for `-p` of a slave.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The bytes of its UDP probe.
    ///
    /// # Errors
    ///
    /// None that a test could cause.
    pub fn invitation(&self) -> Result<Vec<u8>> {
        frame(self.session, Command::Probe, &[])
    }

    /// Broadcasts one UDP probe.
    ///
    /// # Errors
    ///
    /// When it cannot be sent.
    pub fn invite(&self) -> Result<()> {
        self.broadcast(&self.invitation()?)
    }

    /// Broadcasts a datagram.
    ///
    /// # Errors
    ///
    /// When it cannot be sent.
    pub fn broadcast(&self, datagram: &[u8]) -> Result<()> {
        self.send_to(BROADCAST, datagram)
    }

    /// Sends a datagram to an address of loopback.
    ///
    /// # Errors
    ///
    /// When it cannot be sent.
    pub fn send_to(&self, address: Ipv4Addr, datagram: &[u8]) -> Result<()> {
        self.inviter.send_to(datagram, (address, self.port)).context("sending a datagram")?;
        Ok(())
    }

    /// Invites until a slave has connected.
    ///
    /// # Errors
    ///
    /// When none does.
    pub fn accept(&self) -> Result<Peer> {
        self.accept_after(|| self.invite())
    }

    /// Does `call` again and again until a slave has connected.
    ///
    /// # Errors
    ///
    /// When none does, or `call` fails.
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

    /// The whole of discovery: invites, takes the hello, probes and is answered.
    ///
    /// # Errors
    ///
    /// When a slave does not do its part.
    pub fn accept_slave(&self) -> Result<Peer> {
        let mut peer = self.accept()?;
        peer.expect_hello()?;
        peer.probe()?;
        Ok(peer)
    }

    /// Discovery and a conf that the slave accepts.
    ///
    /// # Errors
    ///
    /// When a slave does not do its part.
    pub fn configure(&self, conf: &[u8]) -> Result<Peer> {
        let mut peer = self.accept_slave()?;
        peer.send(Command::Conf, conf)?;
        peer.expect(Command::ConfOk)?;
        Ok(peer)
    }

    /// A whole session; what the conf's command has done is there when it returns.
    ///
    /// # Errors
    ///
    /// When a slave does not do its part.
    pub fn run(&self, conf: &[u8]) -> Result<()> {
        let mut peer = self.configure(conf)?;
        peer.send(Command::Exec, &[])?;
        peer.expect(Command::ExecOk)?;
        peer.expect_finish()?;
        Ok(())
    }

    /// Checks that nobody is waiting to be accepted.
    ///
    /// # Errors
    ///
    /// When somebody is.
    pub fn ensure_nobody_waits(&self) -> Result<()> {
        ensure_nobody_waits(&self.listener)
    }

    /// Somebody else at the same port number, whom no slave should call.
    ///
    /// # Errors
    ///
    /// When the address is taken.
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

/// Sends datagrams that are no invitation, from an address of its own: a slave that takes one calls there.
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
    /// When it cannot be sent.
    pub fn broadcast(&self, datagram: &[u8]) -> Result<()> {
        let to = SocketAddr::from((BROADCAST, self.port));
        self.sender.send_to(datagram, to).with_context(|| format!("sending {}", hex(datagram)))?;
        Ok(())
    }

    /// Does `call` again and again until a slave has called.
    ///
    /// # Errors
    ///
    /// When none does, or `call` fails.
    pub fn wait_for_caller(&self, call: impl Fn() -> Result<()>) -> Result<()> {
        self.listener.set_nonblocking(true)?;
        let accepted = || call().map(|()| self.listener.accept().ok()).transpose();
        eventually("a slave that calls the decoy", accepted)?.map(drop)
    }

    /// Checks that nobody has called.
    ///
    /// # Errors
    ///
    /// When somebody has.
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
        Ok((_, address)) => bail!("a connection from {address} that nobody asked for"),
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
        // Only now: the reservation itself must fail where another socket has the port, shared or not.
        setsockopt(&reserved, sockopt::ReuseAddr, &true)?;
        setsockopt(&listener, sockopt::ReceiveTimeout, &TimeVal::new(0, EVERY_MICROS))?;
        return Ok((listener, reserved));
    }
    bail!("no port is free for TCP and UDP")
}
