//! The reading half of a link, for a thread of its own.

pub(super) mod keyed;

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::arrival::{self, Received};
use super::layer::{Layer, Unsealing};
use super::quota::Quota;
use crate::disconnect::Disconnect;
use crate::secure::handshake;
use crate::time::MonotonicInstant;
use crate::wire::{Command, DATA_MAX, Frame, SessionId};

/// Size of the first read, enough for any message but a conf.
const FIRST_READ: usize = 1024;

/// When a message's time is over, what has arrived already still counts: it may be we who were away.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// And all that has arrived is read by so much later: who goes on to send then is only slow.
const OVERTIME: Duration = Duration::from_secs(1);

/// Size that reads grow to when the peer has much to say.
const LARGEST_READ: usize = 256 * 1024;

/// How much a peer may have to say in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// Confs too: a slave reads its master. Who sends without end what is not answered is given up.
    AnySize,
    /// Answers and reports: a master reads its slaves. Longer data are read past and not kept, so that a thousand
    /// strangers who send much cost little memory; and who sends many of them unasked is given up.
    Short,
}

/// Parts of a conf from this length on are not counted.
const CONF_PART_LONG: usize = 1024;

/// Most data of a short message that are kept: four bytes for each character of the longest text, and what goes with it.
const SHORT_MAX: usize = 4096;

/// What a peer that is read for short messages may send beyond them, since it was asked to. To be given before it is asked.
#[derive(Debug, Clone, Default)]
pub struct Allowance(Arc<Given>);

#[derive(Debug, Default)]
struct Given {
    long: AtomicBool,
    /// Answers that are still to come.
    answers: AtomicU32,
}

impl Allowance {
    /// From now on, messages of any size are kept.
    pub fn give(&self) {
        self.0.long.store(true, Ordering::Release);
    }

    /// The peer is asked for so many messages.
    pub fn expect(&self, answers: u32) {
        let add = |left: u32| Some(left.saturating_add(answers));
        let _ = self.0.answers.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }

    fn is_given(&self) -> bool {
        self.0.long.load(Ordering::Acquire)
    }

    /// Whether a message is one that was asked for.
    fn take_answer(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.0.answers.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
    }
}

/// A message, and when the last of it arrived at this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The message.
    pub frame: Frame,
    /// When.
    pub at: MonotonicInstant,
}

/// What reads this host's monotonic clock.
pub type Clock = fn() -> MonotonicInstant;

/// Reads whole messages from one connection.
#[derive(Debug)]
pub struct LinkReader {
    stream: Arc<TcpStream>,
    session: SessionId,
    /// The frames that cross the network.
    outer: Layer,
    /// Where those are sealed: the frames that are in them.
    unsealing: Option<Unsealing>,
    /// Whether anything has been received.
    is_spoken_to: bool,
    /// How much the next read takes.
    read_size: usize,
    timeout: Option<Duration>,
    /// When the next message has to be there, whether it has begun or not.
    due: Option<Instant>,
    longest_data: usize,
    largest_read: usize,
    allowance: Allowance,
    messages: Messages,
    /// How many more the peer may send that nobody has asked for.
    quota: Quota,
    clock: Clock,
    last_arrival: MonotonicInstant,
}

impl LinkReader {
    /// A reader of messages of `session`, which are stamped by this clock.
    pub fn new(stream: Arc<TcpStream>, session: SessionId, messages: Messages, clock: Clock) -> Self {
        let now = Instant::now();
        let (longest_data, largest_read, quota) = match messages {
            Messages::AnySize => (DATA_MAX, LARGEST_READ, Quota::of_master(now)),
            Messages::Short => (SHORT_MAX, FIRST_READ, Quota::of_slave(now)),
        };
        arrival::stamp(&stream);
        Self {
            stream,
            session,
            outer: Layer::new(session, longest_data),
            unsealing: None,
            is_spoken_to: false,
            read_size: FIRST_READ,
            timeout: None,
            due: None,
            longest_data,
            largest_read,
            allowance: Allowance::default(),
            messages,
            quota,
            clock,
            last_arrival: clock(),
        }
    }

    /// Gives each message so much time at least from now on: its sender, or this host, may be paused in the middle of one.
    pub fn be_patient(&mut self, patience: Duration) {
        self.unsealing.as_mut().map_or(&mut self.outer, |unsealing| &mut unsealing.inner).be_patient(patience);
        self.outer.be_patient(patience);
    }

    /// What lets the peer send long messages, though it is read for short ones.
    pub fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }

    /// Waits for the next message: for ever while none has begun, and only so long once one has.
    ///
    /// # Errors
    /// [`Disconnect`] when the connection has ended or is of no further use.
    pub fn next_frame(&mut self) -> Result<Arrived, Disconnect> {
        let frame = self.receive()?;
        self.count(&frame)?;
        if !self.is_spoken_to {
            self.is_spoken_to = true;
            if let Some(refusal) = handshake::refuse_without_key(&frame) {
                return Err(self.refuse(refusal));
            }
        }
        Ok(Arrived { frame, at: self.last_arrival })
    }

    fn receive(&mut self) -> Result<Frame, Disconnect> {
        let mut over_since = None;
        loop {
            if self.largest_read < LARGEST_READ && self.allowance.is_given() {
                self.largest_read = LARGEST_READ;
                self.unsealing.as_mut().map_or(&mut self.outer, |unsealing| &mut unsealing.inner).allow(DATA_MAX);
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

    /// Counts a message against what the peer may send.
    fn count(&mut self, frame: &Frame) -> Result<(), Disconnect> {
        let is_free = match self.messages {
            Messages::AnySize => is_of_use(frame),
            Messages::Short => self.allowance.take_answer(),
        };
        let is_within = is_free || self.quota.take(Instant::now());
        if is_within { Ok(()) } else { Err(Disconnect::Flooding) }
    }

    /// The next message that is whole already.
    fn next_whole(&mut self) -> Result<Option<Frame>, Disconnect> {
        match &mut self.unsealing {
            None => Ok(self.outer.next_frame()?),
            Some(unsealing) => unsealing.next_frame(&mut self.outer),
        }
    }

    /// How long the message that has begun may still take; none when none has.
    fn time_left(&mut self) -> Option<Duration> {
        let outer = self.outer.time_left();
        let inner = self.unsealing.as_mut().and_then(|unsealing| unsealing.inner.time_left());
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

    /// Reads what is there, and tells whether there was anything.
    fn read_more(&mut self) -> Result<bool, Disconnect> {
        match arrival::receive(&self.stream, self.outer.space(self.read_size)?) {
            Ok(Received { length: 0, .. }) => Err(Disconnect::Closed),
            Ok(Received { length, age }) => {
                self.last_arrival = (self.clock)().minus(age);
                self.outer.filled(length);
                self.fit_read_size(length);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => Ok(false),
            Err(error) => Err(broken(error)),
        }
    }
}

impl LinkReader {
    /// Reads grow while there is more than they take, and shrink when there is little.
    fn fit_read_size(&mut self, length: usize) {
        if length == self.read_size && length < self.largest_read {
            self.read_size = length * 4;
        } else if length * 16 < self.read_size {
            self.read_size = FIRST_READ;
        }
    }
}

/// Whether a master may send as many of these as it likes: they are answered, and who does not read the answers is given
/// up for that; or they bring a conf.
fn is_of_use(frame: &Frame) -> bool {
    match frame.command() {
        Command::Probe | Command::ClockProbe | Command::Fetch => true,
        Command::ConfPart => frame.data().len() >= CONF_PART_LONG,
        _ => false,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is a conversion, used with map_err")]
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
        (client, LinkReader::new(Arc::new(server), SESSION, Messages::AnySize, clock))
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
        let mut reader = LinkReader::new(Arc::new(server), SESSION, Messages::Short, clock);
        let part = Frame::new(Command::OutputPart, vec![b'x'; 60_000]).unwrap();
        let bytes = part.encode(SESSION);
        let allowance = reader.allowance();
        let sender = std::thread::spawn(move || [0; 2].iter().try_for_each(|_| client.write_all(&bytes)));
        assert_eq!(reader.next_frame().map(|arrived| arrived.frame), Ok(Frame::bare(Command::OutputPart)));
        allowance.give();
        assert_eq!(reader.next_frame().map(|arrived| arrived.frame), Ok(part));
        sender.join().unwrap().unwrap();
    }

    #[test]
    fn who_sends_without_end_is_given_up_and_what_was_asked_for_does_not_count() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let mut reader = LinkReader::new(Arc::new(server), SESSION, Messages::Short, clock);
        reader.allowance().expect(10_000);
        let bytes = Frame::bare(Command::Reply).encode(SESSION).repeat(20_000);
        let sender = std::thread::spawn(move || client.write_all(&bytes));
        assert!((0..10_000).all(|_| reader.next_frame().is_ok()));
        let why = std::iter::repeat_with(|| reader.next_frame()).take(10_000).find_map(Result::err);
        assert_eq!(why, Some(Disconnect::Flooding));
        drop(reader);
        // It may not have got rid of all.
        let _ = sender.join().unwrap();
    }

    #[test]
    fn a_master_that_sends_without_end_what_is_not_answered_is_given_up() {
        let part = Frame::new(Command::ConfPart, vec![b'x'; CONF_PART_LONG]).unwrap();
        for (frame, is_of_use) in
            [(Frame::bare(Command::Probe), true), (part, true), (Frame::bare(Command::Ack), false)]
        {
            let (mut client, mut reader) = pair();
            let bytes = frame.encode(SESSION).repeat(20_000);
            let sender = std::thread::spawn(move || client.write_all(&bytes));
            let why = std::iter::repeat_with(|| reader.next_frame()).take(20_000).find_map(Result::err);
            assert_eq!(why, (!is_of_use).then_some(Disconnect::Flooding), "{frame:?}");
            drop(reader);
            // It may not have got rid of all.
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
