//! The layers of what is read: the frames that cross the network and, where those are sealed, the frames in them.

use std::time::{Duration, Instant};

use crate::disconnect::Disconnect;
use crate::secure::Opener;
use crate::wire::{DATA_MAX, DecodeError, Frame, FrameDecoder, SessionId};

/// Frames out of bytes, each of which has to be whole within its time.
#[derive(Debug)]
pub(super) struct Layer {
    decoder: FrameDecoder,
    begun: Option<Instant>,
    /// Least time that each has.
    patience: Duration,
}

impl Layer {
    pub(super) fn new(session: SessionId, longest_data: usize) -> Self {
        Self { decoder: FrameDecoder::new(session, longest_data), begun: None, patience: Duration::ZERO }
    }

    /// Gives each frame so much time at least.
    pub(super) fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Keeps data up to this length from now on.
    pub(super) fn allow(&mut self, longest_data: usize) {
        self.decoder.allow(longest_data);
    }

    pub(super) fn space(&mut self, length: usize) -> Result<&mut [u8], DecodeError> {
        self.decoder.space(length)
    }

    pub(super) fn filled(&mut self, length: usize) {
        self.decoder.filled(length);
    }

    /// Bytes of memory that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.decoder.held()
    }

    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        let frame = self.decoder.next_frame()?;
        if frame.is_some() {
            self.begun = None;
        }
        Ok(frame)
    }

    /// How long the frame that has begun may still take; none when none has.
    pub(super) fn time_left(&mut self) -> Option<Duration> {
        let allowed = self.decoder.time_allowed()?.max(self.patience);
        let taken = self.begun.get_or_insert_with(Instant::now).elapsed();
        Some(allowed.saturating_sub(taken))
    }
}

/// The frames in sealed ones.
#[derive(Debug)]
pub(super) struct Unsealing {
    opener: Opener,
    /// Whether a record has opened. The hello of a handshake can be repeated by a stranger, and nothing after it.
    is_shown: bool,
    pub(super) inner: Layer,
}

impl Unsealing {
    pub(super) fn new(opener: Opener, session: SessionId, longest_data: usize) -> Self {
        Self { opener, is_shown: false, inner: Layer::new(session, longest_data) }
    }

    /// The next frame that is whole in what the outer layer has.
    pub(super) fn next_frame(&mut self, outer: &mut Layer) -> Result<Option<Frame>, Disconnect> {
        loop {
            if let Some(frame) = self.inner.next_frame()? {
                return Ok(Some(frame));
            }
            let Some(record) = outer.next_frame().map_err(not_sealed)? else { break };
            self.opener.open(&record, &mut self.inner.decoder)?;
            if !self.is_shown {
                self.is_shown = true;
                // A record may be longer than the messages in it.
                outer.allow(DATA_MAX);
            }
        }
        // Has it give back what it does not need while nothing comes.
        self.inner.space(0)?;
        Ok(None)
    }
}

/// A header that the peer cannot have sent came from somebody else, as a record would that does not open.
fn not_sealed(error: DecodeError) -> Disconnect {
    match error {
        DecodeError::Version(_) | DecodeError::Session { .. } => Disconnect::Unsealed,
        DecodeError::NoMemory => error.into(),
    }
}
