//! Decoding frames from a stream of bytes, however the network has split the stream.

use std::time::Duration;

use thiserror::Error;

use super::{Frame, HEADER_LEN, Header, PROTOCOL_VERSION, SessionId};

/// Time from the first byte of a message to its last byte. The original program gives every message this time.
const MESSAGE_TIME: Duration = Duration::from_secs(1);

/// Slowest rate of a long message, in bytes per second. A message has one more second for each such number of bytes.
pub const SLOWEST_BYTES_PER_SECOND: u32 = 4096;

/// Size of the buffer of an idle connection, in bytes.
const IDLE_CAPACITY: usize = 1024;

/// Why a stream of bytes does not belong to this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The peer speaks another version of the protocol, or another protocol.
    #[error("the peer speaks version {0} of the protocol, not {PROTOCOL_VERSION}")]
    Version(u32),
    /// The peer takes part in another session.
    #[error("the peer belongs to session {theirs}, not {ours}")]
    Session {
        /// The peer's session.
        theirs: SessionId,
        /// The session of this connection.
        ours: SessionId,
    },
    /// This host has no memory for the data of the peer.
    #[error("this host has no memory left for the peer's data")]
    NoMemory,
}

/// Collects bytes and gives whole frames. Holds at most one message, and the bytes that arrived with its end.
#[derive(Debug)]
pub struct FrameDecoder {
    session: SessionId,
    longest_data: usize,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were received.
    filled: usize,
    /// Bytes of the buffer that were given as frames.
    consumed: usize,
    skipping: Option<Skipping>,
    /// Whether bytes were dropped for lack of memory.
    has_failed: bool,
}

/// A message whose data are too long to be kept as a whole.
#[derive(Debug)]
struct Skipping {
    header: Header,
    /// The first bytes of data, which are kept.
    kept: Vec<u8>,
    /// Bytes of data still to come, which are skipped.
    left: usize,
}

impl FrameDecoder {
    /// A decoder for a connection of `session`. Of the data of a message, the decoder keeps at most the first
    /// `longest_data` bytes. A frame whose data were longer is marked as cut.
    pub fn new(session: SessionId, longest_data: usize) -> Self {
        Self { session, longest_data, buffer: Vec::new(), filled: 0, consumed: 0, skipping: None, has_failed: false }
    }

    /// Keeps data up to this length, in bytes, from now on.
    pub fn set_longest_data(&mut self, longest_data: usize) {
        self.longest_data = longest_data;
    }

    /// Takes the next bytes of the stream. Call [`Self::next_frame`] until it gives none before feeding more.
    pub fn feed(&mut self, bytes: &[u8]) {
        match self.space(bytes.len()) {
            Ok(space) => space.copy_from_slice(bytes),
            Err(_) => self.has_failed = true,
        }
        self.advance(bytes.len());
    }

    /// Room for the next bytes of the stream. After reading into the room, call [`Self::advance`].
    ///
    /// # Errors
    /// [`DecodeError::NoMemory`] when this host has no memory for the room.
    pub fn space(&mut self, length: usize) -> Result<&mut [u8], DecodeError> {
        if self.consumed > 0 {
            self.buffer.copy_within(self.consumed..self.filled, 0);
            (self.filled, self.consumed) = (self.filled - self.consumed, 0);
        }
        let end = self.filled.saturating_add(length);
        if self.buffer.len() < end {
            let more = end - self.buffer.len();
            self.buffer.try_reserve_exact(more).map_err(|_| DecodeError::NoMemory)?;
            self.buffer.resize(end, 0);
        } else if self.buffer.len() > IDLE_CAPACITY.max(end * 4) {
            self.buffer.truncate(IDLE_CAPACITY.max(end));
            self.buffer.shrink_to_fit();
        }
        Ok(self.buffer.get_mut(self.filled..end).unwrap_or_default())
    }

    /// Counts this number of bytes of the room as received.
    pub fn advance(&mut self, length: usize) {
        self.filled = self.filled.saturating_add(length).min(self.buffer.len());
    }

    /// The next whole frame, or none when more bytes are needed.
    ///
    /// # Errors
    /// [`DecodeError`] when the header is not of this protocol or session; the connection is then of no use.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if self.has_failed {
            return Err(DecodeError::NoMemory);
        }
        if let Some(skipping) = self.skipping.take() {
            return Ok(self.skip(skipping));
        }
        let Some((header, rest)) = self.next_header() else { return Ok(None) };
        self.check(header)?;
        let length = usize::from(header.length);
        let kept = length.min(self.longest_data);
        let Some(data) = rest.get(..kept) else { return Ok(None) };
        let data = copy(data)?;
        self.consumed += HEADER_LEN + kept;
        if kept < length {
            return Ok(self.skip(Skipping { header, kept: data, left: length - kept }));
        }
        Ok(Some(Frame::received(header, data)))
    }

    fn skip(&mut self, Skipping { header, kept, left }: Skipping) -> Option<Frame> {
        let here = (self.filled - self.consumed).min(left);
        self.consumed += here;
        if here < left {
            self.skipping = Some(Skipping { header, kept, left: left - here });
            return None;
        }
        // A frame can always hold the kept bytes, because they are fewer than the data of this message.
        Frame::cut(header.command, kept).ok()
    }

    /// Time that the current message may take from its first byte to its last; none while no message has begun.
    pub fn time_allowed(&self) -> Option<Duration> {
        let begun = self.filled > self.consumed || self.skipping.is_some();
        begun.then(|| {
            let skipped = self.skipping.as_ref().map(|skipping| skipping.header);
            let header = skipped.or_else(|| self.next_header().map(|(header, _)| header));
            let length = header.map_or(0, |header| u32::from(header.length));
            MESSAGE_TIME + Duration::from_secs(u64::from(length / SLOWEST_BYTES_PER_SECOND))
        })
    }

    /// Bytes of memory for the data of the peer.
    #[cfg(all(test, feature = "transport"))]
    pub(crate) fn held(&self) -> usize {
        self.buffer.capacity() + self.skipping.as_ref().map_or(0, |skipping| skipping.kept.capacity())
    }

    fn next_header(&self) -> Option<(Header, &[u8])> {
        let (bytes, rest) = self.buffer.get(self.consumed..self.filled)?.split_first_chunk::<HEADER_LEN>()?;
        Some((Header::decode(*bytes), rest))
    }

    fn check(&self, header: Header) -> Result<(), DecodeError> {
        if header.version != PROTOCOL_VERSION {
            return Err(DecodeError::Version(header.version));
        }
        if header.session != self.session {
            return Err(DecodeError::Session { theirs: header.session, ours: self.session });
        }
        Ok(())
    }
}

fn copy(data: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(data.len()).map_err(|_| DecodeError::NoMemory)?;
    copy.extend_from_slice(data);
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Command, DATA_MAX};

    const SESSION: SessionId = SessionId(0x1234_5678);

    fn decode_all(chunks: &[Vec<u8>]) -> Result<Vec<Frame>, DecodeError> {
        let mut decoder = FrameDecoder::new(SESSION, DATA_MAX);
        let mut frames = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk);
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
        }
        assert_eq!(decoder.time_allowed(), None, "nothing is left over");
        Ok(frames)
    }

    fn split(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<Vec<u8>> {
        for cut in &mut cuts {
            *cut %= bytes.len() + 1;
        }
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(
            parts in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 1..8),
            cuts in prop::collection::vec(any::<usize>(), 0..20),
        ) {
            let frames: Vec<Frame> =
                parts.into_iter().map(|(code, data)| Frame::new(Command::from(code), data).unwrap()).collect();
            let mut bytes = Vec::new();
            for frame in &frames {
                frame.encode_into(SESSION, &mut bytes);
            }
            prop_assert_eq!(decode_all(&split(&bytes, cuts)).unwrap(), frames);
        }

        #[test]
        fn no_bytes_make_it_panic_or_hoard(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..50)) {
            let mut decoder = FrameDecoder::new(SESSION, DATA_MAX);
            for chunk in chunks {
                decoder.feed(&chunk);
                while let Ok(Some(_)) = decoder.next_frame() {}
            }
        }
    }

    #[test]
    fn data_too_long_to_keep_are_cut() {
        let long = Frame::new(Command::Reply, (0..=u8::MAX).cycle().take(5000).collect()).unwrap();
        let next = Frame::new(Command::ConfOk, vec![8; 100]).unwrap();
        for chunk in [1, 64, 111, 5000, 6000] {
            let mut decoder = FrameDecoder::new(SESSION, 100);
            let mut frames = Vec::new();
            for chunk in [long.encode(SESSION), next.encode(SESSION)].concat().chunks(chunk) {
                decoder.feed(chunk);
                assert!(decoder.filled < 200 + chunk.len());
                while let Some(frame) = decoder.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            let cut = Frame::cut(Command::Reply, long.data()[..100].to_vec()).unwrap();
            assert_eq!(frames, [cut, next.clone()], "chunks of {chunk}");
            assert!(frames[0].is_cut() && !frames[1].is_cut());
            assert_eq!(decoder.time_allowed(), None);
        }
    }

    #[test]
    fn a_decoder_that_keeps_no_data_keeps_the_command() {
        let mut decoder = FrameDecoder::new(SESSION, 0);
        decoder.feed(&Frame::new(Command::Reply, vec![7; 3]).unwrap().encode(SESSION));
        assert_eq!(decoder.next_frame(), Ok(Some(Frame::cut(Command::Reply, Vec::new()).unwrap())));
    }

    #[test]
    fn a_message_without_memory_for_it_is_an_error() {
        let mut decoder = FrameDecoder::new(SESSION, DATA_MAX);
        assert_eq!(decoder.space(isize::MAX.unsigned_abs()), Err(DecodeError::NoMemory));
        assert_eq!(decoder.next_frame(), Ok(None));
    }

    #[test]
    fn another_version_or_session_is_refused_at_the_header() {
        let other_version = Header { version: 0x4745_5420, ..Header::new(SESSION, Command::Reply, 9) };
        assert_eq!(decode_all(&[other_version.encode().to_vec()]), Err(DecodeError::Version(0x4745_5420)));
        let other_session = Header::new(SessionId(3), Command::Reply, 0).encode().to_vec();
        let expected = DecodeError::Session { theirs: SessionId(3), ours: SESSION };
        assert_eq!(decode_all(&[other_session]), Err(expected));
    }

    #[test]
    fn a_begun_message_has_a_second_and_longer_for_its_data() {
        let mut decoder = FrameDecoder::new(SESSION, DATA_MAX);
        assert_eq!(decoder.time_allowed(), None);
        let header = Header::new(SESSION, Command::Conf, 65_535).encode();
        decoder.feed(&header[..3]);
        assert_eq!(decoder.time_allowed(), Some(Duration::from_secs(1)));
        decoder.feed(&header[3..]);
        assert_eq!(decoder.time_allowed(), Some(Duration::from_secs(16)));
    }
}
