//! The reading half of a link, for a thread of its own.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::session::Disconnect;
use crate::wire::{Frame, FrameDecoder, SessionId};

/// Size of the first read, enough for any message but a conf.
const FIRST_READ: usize = 1024;

/// Size that reads grow to when the peer has much to say.
const LARGEST_READ: usize = 256 * 1024;

/// Reads whole messages from one connection.
#[derive(Debug)]
pub struct LinkReader {
    stream: Arc<TcpStream>,
    decoder: FrameDecoder,
    chunk: Vec<u8>,
    begun: Option<Instant>,
    timeout: Option<Duration>,
}

impl LinkReader {
    /// A reader of messages of `session`.
    pub fn new(stream: Arc<TcpStream>, session: SessionId) -> Self {
        let decoder = FrameDecoder::new(session);
        Self { stream, decoder, chunk: vec![0; FIRST_READ], begun: None, timeout: None }
    }

    /// Waits for the next message: for ever while none has begun, and only so long once one has.
    ///
    /// # Errors
    /// [`Disconnect`] when the connection has ended or is of no further use.
    pub fn next_frame(&mut self) -> Result<Frame, Disconnect> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                self.begun = None;
                return Ok(frame);
            }
            let timeout = self.time_left()?;
            self.limit_wait(timeout).map_err(broken)?;
            self.read_more()?;
        }
    }

    /// How long the message that has begun may still take; none when none has.
    fn time_left(&mut self) -> Result<Option<Duration>, Disconnect> {
        let Some(allowed) = self.decoder.time_allowed() else {
            return Ok(None);
        };
        let taken = self.begun.get_or_insert_with(Instant::now).elapsed();
        let left = allowed.checked_sub(taken).filter(|left| !left.is_zero());
        left.map(Some).ok_or(Disconnect::Stalled)
    }

    fn limit_wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.timeout != timeout {
            self.stream.set_read_timeout(timeout)?;
            self.timeout = timeout;
        }
        Ok(())
    }

    fn read_more(&mut self) -> Result<(), Disconnect> {
        match (&*self.stream).read(&mut self.chunk) {
            Ok(0) => Err(Disconnect::Closed),
            Ok(length) => {
                self.decoder.feed(self.chunk.get(..length).unwrap_or_default());
                if length == self.chunk.len() && length < LARGEST_READ {
                    self.chunk.resize(length * 4, 0);
                }
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => Ok(()),
            Err(error) => Err(broken(error)),
        }
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
    use crate::wire::Command;

    const SESSION: SessionId = SessionId(5);

    fn pair() -> (TcpStream, LinkReader) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        (client, LinkReader::new(Arc::new(server), SESSION))
    }

    #[test]
    fn messages_come_whole_and_in_order() {
        let (mut client, mut reader) = pair();
        let conf = Frame::new(Command::Conf, vec![b'x'; 60_000]).unwrap();
        let bytes = [conf.encode(SESSION), Frame::bare(Command::Exec).encode(SESSION)].concat();
        let sender = std::thread::spawn(move || client.write_all(&bytes));
        assert_eq!(reader.next_frame(), Ok(conf));
        assert_eq!(reader.next_frame(), Ok(Frame::bare(Command::Exec)));
        sender.join().unwrap().unwrap();
        assert_eq!(reader.next_frame(), Err(Disconnect::Closed));
    }

    #[test]
    fn a_message_that_does_not_end_is_given_up() {
        let (mut client, mut reader) = pair();
        client.write_all(&Frame::bare(Command::Exec).encode(SESSION)[..4]).unwrap();
        assert_eq!(reader.next_frame(), Err(Disconnect::Stalled));
    }
}
