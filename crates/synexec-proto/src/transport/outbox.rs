//! The writing half of a connection. Its owner never waits.
//!
//! The owner writes messages that fit into the socket's buffer. A thread writes other messages and streams from a file;
//! the thread lives as long as there is a backlog. Only one of the two writes at a time, and the writer encrypts, so
//! that the network gets encrypted records in the order of their numbers.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, send};

use super::backlog::{Backlog, OnOutboxEvent, OutboxEvent, Source, write_backlog};
use super::reader::broken;
use super::sealing::Sealing;
use crate::disconnect::Disconnect;
use crate::secure::Sealer;
use crate::wire::{Frame, SessionId};

/// Longest backlog, in messages and streams. A peer with a longer one has stopped reading.
const BACKLOG_MAX: usize = 64;

/// Interval at which [`Outbox::finish`] checks whether the backlog is written.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Stack of the backlog's thread, in bytes. The thread needs little.
const STACK: usize = 256 * 1024;

/// Writes messages to one connection.
pub struct Outbox {
    stream: Arc<TcpStream>,
    session: SessionId,
    sealing: Sealing,
    on_event: OnOutboxEvent,
    backlog: Option<SyncSender<Backlog>>,
    /// The thread that writes the backlog.
    writer: Option<JoinHandle<()>>,
    /// Entries of the backlog that are not written yet.
    pending: Arc<AtomicUsize>,
}

impl Outbox {
    /// An outbox for messages of `session`. The backlog's thread calls `on_event`.
    pub fn new(
        stream: Arc<TcpStream>,
        session: SessionId,
        sealing: Sealing,
        on_event: impl Fn(OutboxEvent) + Send + Sync + 'static,
    ) -> Self {
        let on_event = Arc::new(on_event);
        Self { stream, session, sealing, on_event, backlog: None, writer: None, pending: Arc::default() }
    }

    /// Encrypts all messages with this sealer. Call it before sending.
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

    /// Sends whole frames that are encoded for this session.
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

    /// Sends a stream of frames; [`OutboxEvent::StreamSent`] follows.
    ///
    /// # Errors
    /// [`Disconnect`] when the peer has stopped reading, or the thread cannot be started.
    pub fn send_stream(&mut self, source: Source) -> Result<(), Disconnect> {
        self.push(Backlog::Stream(source))
    }

    /// Closes this direction of the connection when the backlog is written, or after `patience`. Does not wait for the
    /// peer.
    pub fn finish(mut self, patience: Duration) {
        self.backlog = None;
        let since = Instant::now();
        while self.writer.as_ref().is_some_and(|writer| !writer.is_finished()) && since.elapsed() < patience {
            thread::sleep(LOOK_INTERVAL);
        }
        // This fails where the peer has closed the connection.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes both directions of the connection; its reader notices.
    pub fn close(&self) {
        // This fails where the peer has closed the connection.
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
            // The thread has failed and has reported its error.
            TrySendError::Disconnected(_) => Disconnect::Broken("an earlier message could not be written".to_owned()),
        })
    }

    fn start_thread(&mut self) -> io::Result<SyncSender<Backlog>> {
        let (sender, receiver) = sync_channel(BACKLOG_MAX);
        let stream = Arc::clone(&self.stream);
        let sealing = self.sealing.clone();
        let pending = Arc::clone(&self.pending);
        let on_event = Arc::clone(&self.on_event);
        let writer = thread::Builder::new().name("outbox".into()).stack_size(STACK).spawn(move || {
            if let Err(failure) = write_backlog(&stream, &sealing, &receiver, &pending, &on_event) {
                on_event(failure);
            }
        })?;
        self.writer = Some(writer);
        Ok(sender)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::sync::mpsc::{self, Receiver};

    use super::*;
    use crate::transport::reader::keyed;
    use crate::wire::Command;

    const SESSION: SessionId = SessionId(5);

    fn pair() -> (TcpStream, Outbox, Receiver<OutboxEvent>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let (sender, events) = mpsc::channel();
        let tell = move |news| sender.send(news).unwrap();
        (client, Outbox::new(Arc::new(server), SESSION, Sealing::No, tell), events)
    }

    /// More than a socket takes without a reader.
    fn frames(count: usize) -> (Vec<Frame>, Vec<u8>) {
        let frames: Vec<_> = (0..count)
            .map(|n| Frame::new(Command::ConfPart, vec![u8::try_from(n % 256).unwrap(); 65_000]).unwrap())
            .collect();
        let bytes = frames.iter().flat_map(|frame| frame.encode(SESSION)).collect();
        (frames, bytes)
    }

    /// Sends frames through the backlog's thread and directly.
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
        let (mut client, mut outbox, events) = pair();
        let (frames, expected) = frames(60);
        send_both_ways(&mut outbox, &frames);
        let mut received = vec![0; expected.len() * 2];
        client.read_exact(&mut received).unwrap();
        assert!(received == [expected.clone(), expected].concat());
        assert!(matches!(events.recv().unwrap(), OutboxEvent::StreamSent));
    }

    #[test]
    fn the_backlog_is_written_at_the_end_unless_the_peer_does_not_read() {
        let (mut client, mut outbox, _events) = pair();
        let (frames, expected) = frames(60);
        send_both_ways(&mut outbox, &frames);
        let end = thread::spawn(move || outbox.finish(Duration::from_secs(600)));
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        end.join().unwrap();
        assert!(received == [expected.clone(), expected].concat());

        let (_client, mut outbox, _events) = pair();
        send_both_ways(&mut outbox, &frames);
        outbox.finish(Duration::from_millis(20));
    }

    #[test]
    fn sealed_records_leave_in_their_order() {
        let (slave, master) = keyed::tests::ends(SESSION);
        let (mut reader, (sender, events)) = (slave.reader, mpsc::channel());
        let tell = move |news| sender.send(news).unwrap();
        let mut outbox = Outbox::new(master.stream, SESSION, Sealing::Awaited, tell);
        outbox.seal_with(master.sealer);
        let (frames, _) = frames(60);
        send_both_ways(&mut outbox, &frames);
        for frame in frames.iter().chain(&frames) {
            assert!(reader.next_frame().is_ok_and(|arrived| arrived.frame == *frame));
        }
        assert!(matches!(events.recv().unwrap(), OutboxEvent::StreamSent));
        // The backlog is done, so that the owner writes again.
        outbox.send(&frames[0]).unwrap();
        assert_eq!(reader.next_frame().map(|arrived| arrived.frame), Ok(frames[0].clone()));
    }

    #[test]
    fn nothing_is_sent_before_it_can_be_sealed() {
        let (mut client, outbox, _events) = pair();
        let mut outbox = Outbox { sealing: Sealing::Awaited, ..outbox };
        assert_eq!(outbox.send(&Frame::bare(Command::Conf)), Err(Disconnect::NoKey));
        drop(outbox);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up_and_its_owner_never_waits() {
        let (_client, mut outbox, _events) = pair();
        let (frames, _) = frames(1000);
        let refused = frames.iter().find_map(|frame| outbox.send(frame).err());
        assert_eq!(refused, Some(Disconnect::NotReading));
    }

    #[test]
    fn a_message_after_a_failed_backlog_reports_a_broken_connection() {
        let (client, mut outbox, events) = pair();
        outbox
            .send_stream(Box::new(|buffer| {
                buffer.resize(65_000, 7);
                Ok(())
            }))
            .unwrap();
        // Received bytes that were not read turn the close into a reset.
        client.peek(&mut [0]).unwrap();
        drop(client);
        assert!(matches!(events.recv().unwrap(), OutboxEvent::Failed(Disconnect::Broken(_))));
        let queue = outbox.backlog.clone().unwrap();
        while !matches!(queue.try_send(Backlog::Sealed(Vec::new())), Err(TrySendError::Disconnected(_))) {}
        let sent = outbox.send(&Frame::bare(Command::Reply));
        assert!(matches!(&sent, Err(why) if why.may_return()), "{sent:?}");
    }

    #[test]
    fn a_failed_source_is_reported_as_such() {
        let (_client, mut outbox, events) = pair();
        outbox.send_stream(Box::new(|_| Err(io::Error::other("shrunk")))).unwrap();
        assert!(matches!(events.recv().unwrap(), OutboxEvent::SourceFailed(_)));
    }
}
