//! `CLOCK_REPLY`: the slave's answer to `CLOCK_PROBE`.

use crate::time::MonotonicInstant;
use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const SENT: u16 = 1;
const RECEIVED: u16 = 2;
const REPLIED: u16 = 3;

/// The slave's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReply {
    /// When the master sent the question, on the master's clock.
    pub sent: MonotonicInstant,
    /// When the question arrived, on the slave's clock.
    pub received: MonotonicInstant,
    /// When the slave sent this answer, on the slave's clock.
    pub replied: MonotonicInstant,
}

impl Fields for ClockReply {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        fields
            .put_integer(SENT, self.sent.as_nanos())
            .put_integer(RECEIVED, self.received.as_nanos())
            .put_integer(REPLIED, self.replied.as_nanos())
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        let instant = |tag| fields.integer(tag).map(MonotonicInstant::from_nanos);
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
        assert_eq!(ClockReply::decode(&bytes[..24]), Err(LayoutError::Missing(REPLIED)));
    }
}
