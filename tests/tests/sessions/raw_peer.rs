//! A connection on which a test can send anything, valid or not.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::Host;
use synexec_tests::process::{PATIENCE, eventually};
use synexec_tests::v1::{Command, HEADER, frame};

const PORT: u16 = 5165;

/// Feature bits that a capability block can announce.
pub const CONF_PARTS: u64 = 1;
pub const REASONS: u64 = 1 << 1;
pub const TASK_ENDED: u64 = 1 << 2;
pub const OUTPUTS: u64 = 1 << 6;

/// Commands of extensions.
pub const CONF_BEGIN: u8 = 16;
pub const TASK_HAS_ENDED: u8 = 18;
pub const FETCH: u8 = 40;
const OUTPUT_PART: u8 = 41;
const OUTPUT_MARK: u8 = 42;

/// Bytes of one part of an output.
const PART: u32 = 32 << 10;

/// Bytes in one piece of a flood.
const GUSH: usize = 64 << 10;

/// Time within which a program must drop a flooding peer.
const FLOODED: Duration = Duration::from_secs(20);

/// One end of a connection.
pub struct RawPeer(TcpStream);

impl RawPeer {
    /// Connects from a host to the master of the fleet, which must listen already.
    pub fn dial(from: &Host, fleet: &Fleet) -> Result<Self> {
        Self::new(from.enter(|| TcpStream::connect((fleet.control.address(), PORT)))?)
    }

    /// Connects, and joins as a slave with these extensions, or as an original slave without extensions.
    pub fn join(from: &Host, fleet: &Fleet, features: u64) -> Result<Self> {
        let mut peer = Self::dial(from, fleet)?;
        let block = if features == 0 { Vec::new() } else { capabilities(features) };
        peer.send(Command::Reply, &block)?;
        peer.await_command(Command::Probe)?;
        peer.send(Command::Reply, &[])?;
        Ok(peer)
    }

    /// Sends probes as a master on the control domain until a slave connects and says hello, and then probes the slave
    /// on its connection.
    pub fn invite(fleet: &Fleet, features: u64) -> Result<Self> {
        let broadcast = fleet.network.broadcast();
        let mut peer = Self::new(fleet.control.enter(|| accept(broadcast))?)?;
        peer.await_command(Command::Reply)?;
        let block = if features == 0 { Vec::new() } else { capabilities(features) };
        peer.send(Command::Probe, &block)?;
        peer.await_command(Command::Reply)?;
        Ok(peer)
    }

    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Sends a message.
    pub fn send(&mut self, command: impl Into<u8>, data: &[u8]) -> Result<()> {
        Ok(self.0.write_all(&frame(0, command, data)?)?)
    }

    /// Receives messages until one with this command comes, and answers probes meanwhile.
    pub fn await_command(&mut self, wanted: impl Into<u8>) -> Result<Vec<u8>> {
        let wanted = wanted.into();
        loop {
            let mut header = [0; HEADER];
            self.0.read_exact(&mut header)?;
            let mut data = vec![0; usize::from(u16::from_be_bytes([header[9], header[10]]))];
            self.0.read_exact(&mut data)?;
            match header[8] {
                command if command == wanted => return Ok(data),
                command if command == u8::from(Command::Probe) => self.send(Command::Reply, &[])?,
                _ => {}
            }
        }
    }

    /// Answers every FETCH with all bytes that the master asks for, and never marks an end. Returns the number of bytes
    /// that it has sent when the master has closed the connection, or when this is more than `limit`.
    pub fn give_without_end(&mut self, limit: u64) -> Result<u64> {
        let mut given = 0;
        while given <= limit {
            let Ok(fetch) = self.await_command(FETCH) else { break };
            // Offset (u64) and length (u32) come first, each after its tag and length.
            let offset = u64::from_be_bytes(fetch[4..12].try_into()?);
            let length = u32::from_be_bytes(fetch[16..20].try_into()?);
            let mut left = length;
            while left > 0 {
                let part = left.min(PART);
                self.send(OUTPUT_PART, &vec![b'x'; usize::try_from(part)?])?;
                left -= part;
            }
            given += u64::from(length);
            self.send(OUTPUT_MARK, &field(1, &(offset + u64::from(length)).to_be_bytes()))?;
        }
        Ok(given)
    }

    /// Sends a byte a second until the other end closes the connection.
    pub fn trickle(&mut self) -> Result<()> {
        let valid = frame(0, Command::Reply, &[0; 60])?;
        self.0.set_read_timeout(Some(Duration::from_secs(1)))?;
        for byte in valid {
            if self.0.write_all(&[byte]).is_err() || self.read_end()? {
                return Ok(());
            }
        }
        bail!("a slow message was received")
    }

    /// Sends this message again and again, as fast as possible, until the other end closes the connection.
    pub fn flood(&mut self, command: Command, has_enough: impl Fn() -> bool) -> Result<()> {
        let one = frame(0, command, &[])?;
        let gush: Vec<u8> = one.iter().copied().cycle().take(GUSH / one.len() * one.len()).collect();
        self.0.set_nonblocking(true)?;
        let (since, mut left) = (Instant::now(), &gush[..]);
        while since.elapsed() < FLOODED {
            if has_enough() {
                return Ok(());
            }
            match self.0.write(left) {
                Ok(written) if written < left.len() => left = &left[written..],
                Ok(_) => left = &gush,
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(error) => return is_end(error.kind()),
            }
        }
        bail!("the program did not drop the flood")
    }

    /// Reads for at most a second. Returns whether the other end has closed the connection.
    fn read_end(&mut self) -> Result<bool> {
        match self.0.read(&mut [0; 256]) {
            Ok(length) => Ok(length == 0),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                Ok(false)
            }
            Err(error) => is_end(error.kind()).map(|()| true),
        }
    }
}

fn is_end(kind: ErrorKind) -> Result<()> {
    ensure!(
        matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "not the end of the connection, but {kind:?}"
    );
    Ok(())
}

fn accept(broadcast: Ipv4Addr) -> Result<TcpStream> {
    let listener = TcpListener::bind(("0.0.0.0", PORT))?;
    let prober = UdpSocket::bind("0.0.0.0:0")?;
    prober.set_broadcast(true)?;
    listener.set_nonblocking(true)?;
    let invitation = frame(0, Command::Probe, &[])?;
    let connected = || {
        prober.send_to(&invitation, (broadcast, PORT)).ok()?;
        listener.accept().ok()
    };
    Ok(eventually("a slave", connected)?.0)
}

/// A capability block: magic, revision 1, features, and a name.
fn capabilities(features: u64) -> Vec<u8> {
    [&b"SYNX\0\x01"[..], &features.to_be_bytes(), &field(1, b"rude")].concat()
}

/// A field of an extension: tag, length, value.
pub fn field(tag: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    [&tag.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
}
