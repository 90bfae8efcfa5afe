//! The writing half of a link, which never makes its owner wait.
//!
//! What fits into the socket's buffer is written at once by the owner. What does not, and whatever is streamed from a
//! file, is left to a thread, which lives as long as there is a backlog. Only one of the two writes at a time, and where all is
//! sealed, who writes seals: so records leave in their order.

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, send};

use super::reader::broken;
use crate::disconnect::Disconnect;
use crate::secure::Sealer;
use crate::wire::{Frame, SessionId};

/// Messages that may wait behind a backlog. A peer for which more would wait has stopped reading.
const BACKLOG_MAX: usize = 64;

/// How often it is looked whether the backlog is written.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Stack of the backlog's thread, which calls nothing deep.
const STACK: usize = 256 * 1024;

/// Gives the next piece of a stream by filling the buffer with whole frames; leaves it empty at the end.
pub type Source = Box<dyn FnMut(&mut Vec<u8>) -> io::Result<()> + Send>;

/// What an outbox tells its owner about its backlog.
#[derive(Debug)]
pub enum Progress {
    /// A stream was handed to the network, whole.
    StreamSent,
    /// The stream's source failed; the peer can do nothing about it.
    SourceFailed(io::Error),
    /// The peer cannot be written to.
    Failed(Disconnect),
}

/// How an outbox tells its owner.
pub type Listener = Arc<dyn Fn(Progress) + Send + Sync>;

/// Whether what is sent is sealed.
#[derive(Debug, Clone)]
pub enum Sealing {
    /// It is not: there is no key.
    No,
    /// It will be; until then nothing can be sent.
    Awaited,
    /// It is, by this.
    By(Arc<Sealer>),
}

/// Writes messages to one connection.
pub struct Outbox {
    stream: Arc<TcpStream>,
    session: SessionId,
    sealing: Sealing,
    listener: Listener,
    backlog: Option<SyncSender<Backlog>>,
    /// The thread of the backlog, which ends with it.
    writer: Option<JoinHandle<()>>,
    pending: Arc<AtomicUsize>,
}

impl Sealing {
    /// The bytes as they cross the network.
    fn sealed(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Disconnect> {
        if let Self::No = self {
            return Ok(bytes);
        }
        let mut records = Vec::new();
        self.seal(&bytes, &mut records)?;
        Ok(records)
    }

    /// The same, with room for the records where there are any.
    fn seal<'a>(&self, bytes: &'a [u8], records: &'a mut Vec<u8>) -> Result<&'a [u8], Disconnect> {
        records.clear();
        match self {
            Self::No => Ok(bytes),
            Self::Awaited => Err(Disconnect::NoKey),
            Self::By(sealer) => {
                sealer.seal(bytes, records)?;
                Ok(records)
            }
        }
    }
}

enum Backlog {
    /// As it crosses the network.
    Sealed(Vec<u8>),
    Bytes(Vec<u8>),
    Stream(Source),
}

impl Outbox {
    /// An outbox that writes messages of `session`.
    pub fn new(stream: Arc<TcpStream>, session: SessionId, sealing: Sealing, listener: Listener) -> Self {
        Self { stream, session, sealing, listener, backlog: None, writer: None, pending: Arc::default() }
    }

    /// From now on all is sealed by this. To be called before anything is sent.
    pub fn seal_with(&mut self, sealer: Sealer) {
        self.sealing = Sealing::By(Arc::new(sealer));
    }

    /// Sends one message in one piece.
    ///
    /// # Errors
    /// [`Disconnect`] when the connection is broken or the peer has stopped reading.
    pub fn send(&mut self, frame: &Frame) -> Result<(), Disconnect> {
        self.send_bytes(frame.encode(self.session))
    }

    /// Sends whole frames, encoded for this session.
    ///
    /// # Errors
    /// [`Disconnect`] when the connection is broken or the peer has stopped reading.
    pub fn send_bytes(&mut self, bytes: Vec<u8>) -> Result<(), Disconnect> {
        if self.pending.load(Ordering::Acquire) != 0 {
            return self.push(Backlog::Bytes(bytes));
        }
        self.backlog = None;
        let mut bytes = self.sealing.sealed(bytes)?;
        let written = self.write_now(&bytes).map_err(broken)?;
        bytes.drain(..written);
        if bytes.is_empty() { Ok(()) } else { self.push(Backlog::Sealed(bytes)) }
    }

    /// Sends a stream of frames; [`Progress::StreamSent`] follows.
    ///
    /// # Errors
    /// [`Disconnect`] when the peer has stopped reading, or no thread is to be had.
    pub fn send_stream(&mut self, source: Source) -> Result<(), Disconnect> {
        self.push(Backlog::Stream(source))
    }

    /// Ends the connection once all is written, or so much later; what the peer still says is not waited for.
    pub fn finish(mut self, patience: Duration) {
        self.backlog = None;
        let since = Instant::now();
        while self.writer.as_ref().is_some_and(|writer| !writer.is_finished()) && since.elapsed() < patience {
            thread::sleep(LOOK_INTERVAL);
        }
        // A connection that the peer has ended already needs no end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Ends the connection both ways; its reader notices.
    pub fn close(&self) {
        // A connection that the peer has ended already needs no closing.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match send(self.stream.as_raw_fd(), rest, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Ok(length) => written += length,
                Err(nix::errno::Errno::EAGAIN) => break,
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(written)
    }

    fn push(&mut self, backlog: Backlog) -> Result<(), Disconnect> {
        let queue = match self.backlog.take() {
            Some(queue) => queue,
            None => self.start_thread().map_err(broken)?,
        };
        self.pending.fetch_add(1, Ordering::AcqRel);
        let pushed = queue.try_send(backlog);
        self.backlog = Some(queue);
        pushed.map_err(|error| match error {
            TrySendError::Full(_) => Disconnect::NotReading,
            // Its thread has failed, and the listener is told why.
            TrySendError::Disconnected(_) => Disconnect::Broken("what was sent before could not be written".to_owned()),
        })
    }

    fn start_thread(&mut self) -> io::Result<SyncSender<Backlog>> {
        let (sender, receiver) = sync_channel(BACKLOG_MAX);
        let stream = Arc::clone(&self.stream);
        let sealing = self.sealing.clone();
        let pending = Arc::clone(&self.pending);
        let listener = Arc::clone(&self.listener);
        let writer = thread::Builder::new().name("outbox".into()).stack_size(STACK).spawn(move || {
            if let Err(failure) = write_backlog(&stream, &sealing, &receiver, &pending, &listener) {
                listener(failure);
            }
        })?;
        self.writer = Some(writer);
        Ok(sender)
    }
}

fn write_backlog(
    stream: &TcpStream,
    sealing: &Sealing,
    queue: &Receiver<Backlog>,
    pending: &AtomicUsize,
    listener: &Listener,
) -> Result<(), Progress> {
    while let Ok(next) = queue.recv() {
        let is_stream = matches!(next, Backlog::Stream(_));
        match next {
            Backlog::Sealed(bytes) => write_all(stream, &bytes)?,
            Backlog::Bytes(bytes) => write_all(stream, &sealing.sealed(bytes).map_err(Progress::Failed)?)?,
            Backlog::Stream(source) => write_stream(stream, sealing, source)?,
        }
        pending.fetch_sub(1, Ordering::AcqRel);
        if is_stream {
            listener(Progress::StreamSent);
        }
    }
    Ok(())
}

fn write_stream(stream: &TcpStream, sealing: &Sealing, mut source: Source) -> Result<(), Progress> {
    let (mut buffer, mut records) = (Vec::new(), Vec::new());
    loop {
        buffer.clear();
        source(&mut buffer).map_err(Progress::SourceFailed)?;
        if buffer.is_empty() {
            return Ok(());
        }
        write_all(stream, sealing.seal(&buffer, &mut records).map_err(Progress::Failed)?)?;
    }
}

fn write_all(mut stream: &TcpStream, bytes: &[u8]) -> Result<(), Progress> {
    stream.write_all(bytes).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => Progress::Failed(Disconnect::NotReading),
        _ => Progress::Failed(broken(error)),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::mpsc;

    use super::*;
    use crate::transport::Messages;
    use crate::transport::reader::keyed;
    use crate::wire::Command;

    const SESSION: SessionId = SessionId(5);

    fn pair() -> (TcpStream, Outbox, Receiver<Progress>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let (sender, progress) = mpsc::channel();
        let tell = move |news| sender.send(news).unwrap();
        (client, Outbox::new(Arc::new(server), SESSION, Sealing::No, Arc::new(tell)), progress)
    }

    /// More than a socket takes without a reader.
    fn frames(count: usize) -> (Vec<Frame>, Vec<u8>) {
        let frames: Vec<_> = (0..count)
            .map(|n| Frame::new(Command::ConfPart, vec![u8::try_from(n % 256).unwrap(); 65_000]).unwrap())
            .collect();
        let bytes = frames.iter().flat_map(|frame| frame.encode(SESSION)).collect();
        (frames, bytes)
    }

    /// Sends frames by the backlog's thread and by the owner.
    fn send_both_ways(outbox: &mut Outbox, frames: &[Frame]) {
        let streamed: Vec<_> = frames.to_vec();
        let mut rest = streamed.into_iter();
        outbox
            .send_stream(Box::new(move |buffer| {
                if let Some(frame) = rest.next() {
                    frame.encode_into(SESSION, buffer);
                }
                Ok(())
            }))
            .unwrap();
        for frame in frames {
            outbox.send(frame).unwrap();
        }
    }

    #[test]
    fn nothing_is_lost_or_reordered_between_owner_and_backlog() {
        let (mut client, mut outbox, progress) = pair();
        let (frames, expected) = frames(60);
        send_both_ways(&mut outbox, &frames);
        let mut received = vec![0; expected.len() * 2];
        client.read_exact(&mut received).unwrap();
        assert!(received == [expected.clone(), expected].concat());
        assert!(matches!(progress.recv().unwrap(), Progress::StreamSent));
    }

    #[test]
    fn what_waits_is_still_written_at_the_end_and_who_does_not_read_is_left() {
        let (mut client, mut outbox, _progress) = pair();
        let (frames, expected) = frames(60);
        send_both_ways(&mut outbox, &frames);
        let end = thread::spawn(move || outbox.finish(Duration::from_secs(600)));
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        end.join().unwrap();
        assert!(received == [expected.clone(), expected].concat());

        let (_client, mut outbox, _progress) = pair();
        send_both_ways(&mut outbox, &frames);
        outbox.finish(Duration::from_millis(20));
    }

    #[test]
    fn sealed_records_leave_in_their_order() {
        let (slave, master) = keyed::tests::ends(SESSION, Messages::AnySize);
        let (mut reader, (sender, progress)) = (slave.reader, mpsc::channel());
        let tell = move |news| sender.send(news).unwrap();
        let mut outbox = Outbox::new(master.stream, SESSION, Sealing::Awaited, Arc::new(tell));
        outbox.seal_with(master.sealer);
        let (frames, _) = frames(60);
        send_both_ways(&mut outbox, &frames);
        for frame in frames.iter().chain(&frames) {
            assert!(reader.next_frame().is_ok_and(|arrived| arrived.frame == *frame));
        }
        assert!(matches!(progress.recv().unwrap(), Progress::StreamSent));
        // The backlog is done, so that the owner writes again.
        outbox.send(&frames[0]).unwrap();
        assert_eq!(reader.next_frame().map(|arrived| arrived.frame), Ok(frames[0].clone()));
    }

    #[test]
    fn nothing_is_sent_before_it_can_be_sealed() {
        let (mut client, outbox, _progress) = pair();
        let mut outbox = Outbox { sealing: Sealing::Awaited, ..outbox };
        assert_eq!(outbox.send(&Frame::bare(Command::Conf)), Err(Disconnect::NoKey));
        drop(outbox);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up_and_its_owner_never_waits() {
        let (_client, mut outbox, _progress) = pair();
        let (frames, _) = frames(1000);
        let refused = frames.iter().find_map(|frame| outbox.send(frame).err());
        assert_eq!(refused, Some(Disconnect::NotReading));
    }

    #[test]
    fn what_follows_a_backlog_that_broke_finds_a_broken_connection_and_no_peer_that_does_not_read() {
        let (client, mut outbox, progress) = pair();
        outbox
            .send_stream(Box::new(|buffer| {
                buffer.resize(65_000, 7);
                Ok(())
            }))
            .unwrap();
        // What has arrived and was not read makes it a reset.
        client.peek(&mut [0]).unwrap();
        drop(client);
        assert!(matches!(progress.recv().unwrap(), Progress::Failed(Disconnect::Broken(_))));
        let queue = outbox.backlog.clone().unwrap();
        while !matches!(queue.try_send(Backlog::Sealed(Vec::new())), Err(TrySendError::Disconnected(_))) {}
        let sent = outbox.send(&Frame::bare(Command::Reply));
        assert!(matches!(&sent, Err(why) if why.may_return()), "{sent:?}");
    }

    #[test]
    fn a_source_that_fails_is_told_apart_from_the_peer() {
        let (_client, mut outbox, progress) = pair();
        outbox.send_stream(Box::new(|_| Err(io::Error::other("shrunk")))).unwrap();
        assert!(matches!(progress.recv().unwrap(), Progress::SourceFailed(_)));
    }
}
