//! The layers of a connection: the frames that cross the network and, where it is encrypted, the frames in their records.

use std::time::{Duration, Instant};

use crate::disconnect::Disconnect;
use crate::secure::Opener;
use crate::wire::{DATA_MAX, DecodeError, Frame, FrameDecoder, SessionId};

/// Decodes frames, and times each one.
#[derive(Debug)]
pub(super) struct Layer {
    decoder: FrameDecoder,
    /// When the decoder got the first byte of the current frame.
    begun: Option<Instant>,
    /// Least time for a frame.
    least_time: Duration,
}

impl Layer {
    pub(super) fn new(session: SessionId, longest_data: usize) -> Self {
        Self { decoder: FrameDecoder::new(session, longest_data), begun: None, least_time: Duration::ZERO }
    }

    /// Gives each frame at least this time.
    pub(super) fn set_least_time(&mut self, least_time: Duration) {
        self.least_time = least_time;
    }

    /// Keeps data up to this length, in bytes, from now on.
    pub(super) fn set_longest_data(&mut self, longest_data: usize) {
        self.decoder.set_longest_data(longest_data);
    }

    pub(super) fn space(&mut self, length: usize) -> Result<&mut [u8], DecodeError> {
        self.decoder.space(length)
    }

    pub(super) fn advance(&mut self, length: usize) {
        self.decoder.advance(length);
    }

    /// Size of the buffer, in bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.decoder.held()
    }

    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        let frame = self.decoder.next_frame()?;
        if frame.is_some() {
            self.begun = None;
        } else if self.decoder.time_allowed().is_some() {
            self.begun.get_or_insert_with(Instant::now);
        }
        Ok(frame)
    }

    /// Time left for the current frame; none while no frame has begun.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let allowed = self.decoder.time_allowed()?.max(self.least_time);
        let taken = self.begun.map(|begun| begun.elapsed()).unwrap_or_default();
        Some(allowed.saturating_sub(taken))
    }
}

/// Decodes the frames in encrypted records.
#[derive(Debug)]
pub(super) struct Unsealing {
    opener: Opener,
    /// Whether a record was decrypted. A stranger can repeat the hello of an observed handshake, but make no record.
    is_authenticated: bool,
    pub(super) inner: Layer,
}

impl Unsealing {
    pub(super) fn new(opener: Opener, session: SessionId, longest_data: usize) -> Self {
        Self { opener, is_authenticated: false, inner: Layer::new(session, longest_data) }
    }

    /// The next whole frame in the records of the outer layer.
    pub(super) fn next_frame(&mut self, outer: &mut Layer) -> Result<Option<Frame>, Disconnect> {
        loop {
            if let Some(frame) = self.inner.next_frame()? {
                return Ok(Some(frame));
            }
            let Some(record) = outer.next_frame().map_err(not_sealed)? else { break };
            self.opener.open(&record, &mut self.inner.decoder)?;
            if !self.is_authenticated {
                self.is_authenticated = true;
                // A record may be longer than its messages.
                outer.set_longest_data(DATA_MAX);
            }
        }
        // Lets the buffer shrink while the connection is idle.
        self.inner.space(0)?;
        Ok(None)
    }
}

/// Treats a header that the peer cannot have sent like a record that cannot be decrypted: a stranger has sent it.
fn not_sealed(error: DecodeError) -> Disconnect {
    match error {
        DecodeError::Version(_) | DecodeError::Session { .. } => Disconnect::Unsealed,
        DecodeError::NoMemory => error.into(),
    }
}
