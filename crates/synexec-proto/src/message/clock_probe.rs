//! `CLOCK_PROBE`: the master asks for the slave's time.

use crate::time::MonotonicInstant;
use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const SENT: u16 = 1;

/// A question for the slave's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockProbe {
    /// When the master sent the question, on its own clock. The answer repeats this instant.
    pub sent: MonotonicInstant,
}

impl Fields for ClockProbe {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        fields.put_integer(SENT, self.sent.as_nanos())
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        Ok(Self { sent: MonotonicInstant::from_nanos(fields.integer(SENT)?) })
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
        assert_eq!(ClockProbe::decode(b""), Err(LayoutError::Missing(SENT)));
    }
}
