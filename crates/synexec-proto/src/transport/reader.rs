//! The reading half of a connection, for a thread of its own.

pub(super) mod keyed;

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::allowance::Allowance;
use super::arrival::{self, Received};
use super::layer::{Layer, Unsealing};
use super::quota::Quota;
use crate::disconnect::Disconnect;
use crate::secure::handshake;
use crate::time::MonotonicInstant;
use crate::wire::{Command, DATA_MAX, Frame, Role, SHORT_DATA_MAX, SessionId};

/// Size of the first read, enough for any message but a conf.
const FIRST_READ: usize = 1024;

/// Shortest wait, also for a message whose time is over. Bytes that have arrived still count: this host may have been
/// paused.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Time for reading the bytes that have arrived when a message's time is over. A peer that still sends then is too slow.
const OVERTIME: Duration = Duration::from_secs(1);

/// Largest size of a read, for a peer that sends much.
const LARGEST_READ: usize = 256 * 1024;

/// The quota does not count parts of a conf of at least this length.
const CONF_PART_LONG: usize = 1024;

/// A message, with the instant of its arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The message.
    pub frame: Frame,
    /// When the last byte arrived at this host.
    pub at: MonotonicInstant,
}

/// A function that reads this host's monotonic clock.
pub type Clock = fn() -> MonotonicInstant;

/// Reads whole messages from one connection.
#[derive(Debug)]
pub struct LinkReader {
    stream: Arc<TcpStream>,
    session: SessionId,
    /// The frames that cross the network.
    outer: Layer,
    /// The frames in encrypted ones; none where the connection is not encrypted.
    unsealing: Option<Unsealing>,
    /// Whether the first message has been received.
    has_first: bool,
    /// Size of the next read, in bytes.
    read_size: usize,
    timeout: Option<Duration>,
    /// Deadline of the next message, whether it has begun or not.
    due: Option<Instant>,
    longest_data: usize,
    largest_read: usize,
    allowance: Allowance,
    peer: Role,
    /// Messages that the peer may send unasked.
    quota: Quota,
    clock: Clock,
    last_arrival: MonotonicInstant,
}

impl LinkReader {
    /// A reader of a peer's messages of `session`. The clock gives the instant of each arrival. A reader of a master's
    /// messages keeps messages of any length, since a conf is long. A reader of a slave's messages keeps only short
    /// messages, unless its [`Allowance`] allows long ones.
    pub fn new(stream: Arc<TcpStream>, session: SessionId, peer: Role, clock: Clock) -> Self {
        let now = Instant::now();
        let (longest_data, largest_read, quota) = match peer {
            Role::Master => (DATA_MAX, LARGEST_READ, Quota::of_master(now)),
            Role::Slave => (SHORT_DATA_MAX, FIRST_READ, Quota::of_slave(now)),
        };
        arrival::stamp(&stream);
        Self {
            stream,
            session,
            outer: Layer::new(session, longest_data),
            unsealing: None,
            has_first: false,
            read_size: FIRST_READ,
            timeout: None,
            due: None,
            longest_data,
            largest_read,
            allowance: Allowance::default(),
            peer,
            quota,
            clock,
            last_arrival: clock(),
        }
    }

    /// Gives each message at least this time from now on: its sender or this host may be paused in the middle of one.
    pub fn set_least_time(&mut self, least_time: Duration) {
        self.inner().set_least_time(least_time);
        self.outer.set_least_time(least_time);
    }

    /// The messages that the peer is allowed to send, to be extended by the writer.
    pub fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }

    /// Waits for the next message: without limit until it begins, and for a limited time from its first byte.
    ///
    /// # Errors
    /// [`Disconnect`] when the connection has ended or is of no further use.
    pub fn next_frame(&mut self) -> Result<Arrived, Disconnect> {
        let frame = self.receive()?;
        self.count(&frame)?;
        if !self.has_first {
            self.has_first = true;
            if let Some(refusal) = handshake::refuse_without_key(&frame) {
                return Err(self.refuse(refusal));
            }
        }
        Ok(Arrived { frame, at: self.last_arrival })
    }

    /// The layer of the session's own messages.
    fn inner(&mut self) -> &mut Layer {
        self.unsealing.as_mut().map_or(&mut self.outer, |unsealing| &mut unsealing.inner)
    }

    fn receive(&mut self) -> Result<Frame, Disconnect> {
        let mut over_since = None;
        loop {
            if self.largest_read < LARGEST_READ && self.allowance.has_long_messages() {
                self.largest_read = LARGEST_READ;
                self.inner().set_longest_data(DATA_MAX);
            }
            if let Some(frame) = self.next_whole()? {
                return Ok(frame);
            }
            let left = self.time_left();
            let is_over = left == Some(Duration::ZERO);
            over_since = is_over.then(|| over_since.unwrap_or_else(Instant::now));
            if over_since.is_some_and(|since| since.elapsed() > OVERTIME) {
                return Err(Disconnect::Stalled);
            }
            self.limit_wait(left.map(|left| left.max(SHORTEST_WAIT))).map_err(broken)?;
            if !self.read_more()? && is_over {
                return Err(Disconnect::Stalled);
            }
        }
    }

    /// Counts a message against the quota, unless the peer was asked for it.
    fn count(&mut self, frame: &Frame) -> Result<(), Disconnect> {
        let is_free = match self.peer {
            Role::Master => is_exempt(frame),
            Role::Slave => self.allowance.take_answer(),
        };
        let is_within = is_free || self.quota.take(Instant::now());
        if is_within { Ok(()) } else { Err(Disconnect::Flooding) }
    }

    /// The next message that has arrived whole.
    fn next_whole(&mut self) -> Result<Option<Frame>, Disconnect> {
        match &mut self.unsealing {
            None => Ok(self.outer.next_frame()?),
            Some(unsealing) => unsealing.next_frame(&mut self.outer),
        }
    }

    /// Time left for the current message; none while no message has begun.
    fn time_left(&self) -> Option<Duration> {
        let outer = self.outer.time_left();
        let inner = self.unsealing.as_ref().and_then(|unsealing| unsealing.inner.time_left());
        let due = self.due.map(|due| due.saturating_duration_since(Instant::now()));
        outer.into_iter().chain(inner).chain(due).min()
    }

    fn limit_wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.timeout != timeout {
            self.stream.set_read_timeout(timeout)?;
            self.timeout = timeout;
        }
        Ok(())
    }

    /// Reads the bytes that have arrived. Returns whether there were any.
    fn read_more(&mut self) -> Result<bool, Disconnect> {
        match arrival::receive(&self.stream, self.outer.space(self.read_size)?) {
            Ok(Received { length: 0, .. }) => Err(Disconnect::Closed),
            Ok(Received { length, age }) => {
                self.last_arrival = (self.clock)().minus(age);
                self.outer.advance(length);
                self.fit_read_size(length);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => Ok(false),
            Err(error) => Err(broken(error)),
        }
    }

    /// Makes the next read larger if this read was full, and smaller if this read was nearly empty.
    fn fit_read_size(&mut self, length: usize) {
        if length == self.read_size && length < self.largest_read {
            self.read_size = length * 4;
        } else if length * 16 < self.read_size {
            self.read_size = FIRST_READ;
        }
    }
}

/// Whether the quota exempts this message of a master. The slave answers probes and requests, and gives up a master
/// that does not read the answers. Long parts of a conf carry useful data.
fn is_exempt(frame: &Frame) -> bool {
    match frame.command() {
        Command::Probe | Command::ClockProbe | Command::Fetch => true,
        Command::ConfPart => frame.data().len() >= CONF_PART_LONG,
        _ => false,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a conversion for map_err")]
pub(super) fn broken(error: io::Error) -> Disconnect {
    Disconnect::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    const SESSION: SessionId = SessionId(5);

    fn clock() -> MonotonicInstant {
        MonotonicInstant::from_nanos(7)
    }

    fn pair() -> (TcpStream, LinkReader) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        (client, LinkReader::new(Arc::new(server), SESSION, Role::Master, clock))
    }

    #[test]
    fn messages_come_whole_and_in_order() {
        let (mut client, mut reader) = pair();
        let conf = Frame::new(Command::Conf, vec![b'x'; 60_000]).unwrap();
        let bytes = [conf.encode(SESSION), Frame::bare(Command::Exec).encode(SESSION)].concat();
        let sender = std::thread::spawn(move || client.write_all(&bytes));
        assert_eq!(reader.next_frame().map(|arrived| arrived.frame), Ok(conf));
        assert_eq!(reader.next_frame().map(|arrived| arrived.frame), Ok(Frame::bare(Command::Exec)));
        sender.join().unwrap().unwrap();
        assert_eq!(reader.next_frame(), Err(Disconnect::Closed));
    }

    #[test]
    fn long_messages_are_kept_once_they_are_allowed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let mut reader = LinkReader::new(Arc::new(server), SESSION, Role::Slave, clock);
        let part = Frame::new(Command::OutputPart, vec![b'x'; 60_000]).unwrap();
        let bytes = part.encode(SESSION);
        let allowance = reader.allowance();
        let sender = std::thread::spawn(move || [0; 2].iter().try_for_each(|_| client.write_all(&bytes)));
        let cut = Frame::cut(Command::OutputPart, vec![b'x'; SHORT_DATA_MAX]).unwrap();
        assert_eq!(reader.next_frame().map(|arrived| arrived.frame), Ok(cut));
        allowance.allow_long_messages();
        assert_eq!(reader.next_frame().map(|arrived| arrived.frame), Ok(part));
        sender.join().unwrap().unwrap();
    }

    #[test]
    fn a_flooding_peer_is_given_up_and_expected_answers_do_not_count() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let mut reader = LinkReader::new(Arc::new(server), SESSION, Role::Slave, clock);
        reader.allowance().expect_answers(10_000);
        let bytes = Frame::bare(Command::Reply).encode(SESSION).repeat(20_000);
        let sender = std::thread::spawn(move || client.write_all(&bytes));
        assert!((0..10_000).all(|_| reader.next_frame().is_ok()));
        let why = std::iter::repeat_with(|| reader.next_frame()).take(10_000).find_map(Result::err);
        assert_eq!(why, Some(Disconnect::Flooding));
        drop(reader);
        // The reader may have closed the connection before the sender had sent all bytes.
        let _ = sender.join().unwrap();
    }

    #[test]
    fn a_master_that_floods_with_messages_without_an_answer_is_given_up() {
        let part = Frame::new(Command::ConfPart, vec![b'x'; CONF_PART_LONG]).unwrap();
        for (frame, is_exempt) in
            [(Frame::bare(Command::Probe), true), (part, true), (Frame::bare(Command::Ack), false)]
        {
            let (mut client, mut reader) = pair();
            let bytes = frame.encode(SESSION).repeat(20_000);
            let sender = std::thread::spawn(move || client.write_all(&bytes));
            let why = std::iter::repeat_with(|| reader.next_frame()).take(20_000).find_map(Result::err);
            assert_eq!(why, (!is_exempt).then_some(Disconnect::Flooding), "{frame:?}");
            drop(reader);
            // The reader may have closed the connection before the sender had sent all bytes.
            let _ = sender.join().unwrap();
        }
    }

    #[test]
    fn a_message_that_trickles_beyond_its_time_is_given_up() {
        let (mut client, mut reader) = pair();
        let conf = Frame::new(Command::Conf, vec![b'x'; 6000]).unwrap().encode(SESSION);
        let sender = std::thread::spawn(move || {
            for byte in conf {
                client.write_all(&[byte])?;
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok::<_, io::Error>(())
        });
        assert_eq!(reader.next_frame(), Err(Disconnect::Stalled));
        reader.stream.shutdown(std::net::Shutdown::Both).unwrap();
        assert!(sender.join().unwrap().is_err());
    }

    #[test]
    fn a_message_that_does_not_end_is_given_up() {
        let (mut client, mut reader) = pair();
        client.write_all(&Frame::bare(Command::Exec).encode(SESSION)[..4]).unwrap();
        assert_eq!(reader.next_frame(), Err(Disconnect::Stalled));
    }
}
