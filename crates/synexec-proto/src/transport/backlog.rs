//! The backlog of an outbox: messages that did not fit into the socket's buffer, and streams. A thread writes them.

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use super::reader::broken;
use super::sealing::Sealing;
use crate::disconnect::Disconnect;

/// Gives the next piece of a stream: it fills the buffer with whole frames, and leaves the buffer empty at the end.
pub type Source = Box<dyn FnMut(&mut Vec<u8>) -> io::Result<()> + Send>;

/// An event of an outbox, about its backlog.
#[derive(Debug)]
pub enum OutboxEvent {
    /// A whole stream was handed to the network.
    StreamSent,
    /// The source of a stream failed; the connection itself works.
    SourceFailed(io::Error),
    /// The connection cannot be written to.
    Failed(Disconnect),
}

/// Receives the events of an outbox.
pub(super) type OnOutboxEvent = Arc<dyn Fn(OutboxEvent) + Send + Sync>;

/// One entry of a backlog.
pub(super) enum Backlog {
    /// Bytes as they cross the network.
    Sealed(Vec<u8>),
    /// Frames, to be encrypted where the connection is.
    Bytes(Vec<u8>),
    Stream(Source),
}

/// Writes the backlog until its queue is closed or a write fails.
pub(super) fn write_backlog(
    stream: &TcpStream,
    sealing: &Sealing,
    queue: &Receiver<Backlog>,
    pending: &AtomicUsize,
    on_event: &OnOutboxEvent,
) -> Result<(), OutboxEvent> {
    while let Ok(next) = queue.recv() {
        let is_stream = matches!(next, Backlog::Stream(_));
        match next {
            Backlog::Sealed(bytes) => write_all(stream, &bytes)?,
            Backlog::Bytes(bytes) => write_all(stream, &sealing.sealed(bytes).map_err(OutboxEvent::Failed)?)?,
            Backlog::Stream(source) => write_stream(stream, sealing, source)?,
        }
        pending.fetch_sub(1, Ordering::AcqRel);
        if is_stream {
            on_event(OutboxEvent::StreamSent);
        }
    }
    Ok(())
}

fn write_stream(stream: &TcpStream, sealing: &Sealing, mut source: Source) -> Result<(), OutboxEvent> {
    let (mut buffer, mut records) = (Vec::new(), Vec::new());
    loop {
        buffer.clear();
        source(&mut buffer).map_err(OutboxEvent::SourceFailed)?;
        if buffer.is_empty() {
            return Ok(());
        }
        write_all(stream, sealing.seal(&buffer, &mut records).map_err(OutboxEvent::Failed)?)?;
    }
}

fn write_all(mut stream: &TcpStream, bytes: &[u8]) -> Result<(), OutboxEvent> {
    stream.write_all(bytes).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => OutboxEvent::Failed(Disconnect::NotReading),
        _ => OutboxEvent::Failed(broken(error)),
    })
}
