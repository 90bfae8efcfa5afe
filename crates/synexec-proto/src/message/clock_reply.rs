//! `CLOCK_REPLY`: the answer to `CLOCK_PROBE`. Fields, each u64 nanoseconds of a `CLOCK_MONOTONIC`: 1 when the question
//! was sent, as it said; 2 when it arrived and 3 when this answer left, on the slave's clock.

use crate::time::MonotonicInstant;
use crate::wire::{FieldError, FieldReader, FieldWriter};

const SENT: u16 = 1;
const RECEIVED: u16 = 2;
const REPLIED: u16 = 3;

/// What the slave's clock showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReply {
    /// When the question was sent, on the master's clock.
    pub sent: MonotonicInstant,
    /// When it arrived, on the slave's clock.
    pub received: MonotonicInstant,
    /// When this answer left, on the slave's clock.
    pub replied: MonotonicInstant,
}

impl ClockReply {
    /// The message's data.
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::default()
            .put_u64(SENT, self.sent.as_nanos())
            .put_u64(RECEIVED, self.received.as_nanos())
            .put_u64(REPLIED, self.replied.as_nanos())
            .finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when a field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        let fields = FieldReader(data);
        let instant = |tag| fields.array(tag).map(u64::from_be_bytes).map(MonotonicInstant::from_nanos);
        Ok(Self { sent: instant(SENT)?, received: instant(RECEIVED)?, replied: instant(REPLIED)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let [sent, received, replied] = [1, 2, 3].map(MonotonicInstant::from_nanos);
        let reply = ClockReply { sent, received, replied };
        let bytes = [
            &[0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1][..],
            &[0, 2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2],
            &[0, 3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3],
        ]
        .concat();
        assert_eq!(reply.encode(), bytes);
        assert_eq!(ClockReply::decode(&bytes), Ok(reply));
        assert_eq!(ClockReply::decode(&bytes[..24]), Err(FieldError::Missing(REPLIED)));
    }
}
