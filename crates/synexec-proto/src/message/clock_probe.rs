//! `CLOCK_PROBE`: what does your clock show? Field 1 is when it was sent (u64 nanoseconds of the master's
//! `CLOCK_MONOTONIC`), which the answer repeats.

use crate::time::MonotonicInstant;
use crate::wire::{FieldError, FieldReader, FieldWriter};

const SENT: u16 = 1;

/// A question for the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockProbe {
    /// When it was sent, on the master's clock.
    pub sent: MonotonicInstant,
}

impl ClockProbe {
    /// The message's data.
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::default().put_u64(SENT, self.sent.as_nanos()).finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when the field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        let sent = u64::from_be_bytes(FieldReader(data).array(SENT)?);
        Ok(Self { sent: MonotonicInstant::from_nanos(sent) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let probe = ClockProbe { sent: MonotonicInstant::from_nanos(0x0102) };
        let bytes = [0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(probe.encode(), bytes);
        assert_eq!(ClockProbe::decode(&bytes), Ok(probe));
        assert_eq!(ClockProbe::decode(b""), Err(FieldError::Missing(SENT)));
    }
}
