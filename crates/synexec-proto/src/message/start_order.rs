//! Data on EXEC and `EXEC_OK`, where a start at one instant is agreed. Field 1 is the instant (u64 nanoseconds of the
//! slave's `CLOCK_MONOTONIC`), which the answer repeats. EXEC without it means: at once, as in version 1.

use crate::time::MonotonicInstant;
use crate::wire::{FieldError, FieldReader, FieldWriter};

const INSTANT: u16 = 1;

/// The message's data; none for a start at once.
pub(super) fn encode(instant: Option<MonotonicInstant>) -> Vec<u8> {
    instant.map_or_else(Vec::new, |at| FieldWriter::default().put_u64(INSTANT, at.as_nanos()).finish())
}

/// Reads the message's data.
pub(super) fn decode(data: &[u8]) -> Result<Option<MonotonicInstant>, FieldError> {
    let instant = FieldReader(data).optional_array(INSTANT)?;
    Ok(instant.map(u64::from_be_bytes).map(MonotonicInstant::from_nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let at = MonotonicInstant::from_nanos(0x0102);
        let bytes = [0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(encode(Some(at)), bytes);
        assert_eq!(decode(&bytes), Ok(Some(at)));
        assert_eq!((encode(None), decode(b"")), (vec![], Ok(None)));
        assert_eq!(decode(&bytes[..7]), Err(FieldError::Truncated));
    }
}
