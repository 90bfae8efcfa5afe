//! EXEC and `EXEC_OK`: the ordered instant of the start, where a start at one instant is agreed.

use crate::time::MonotonicInstant;
use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const INSTANT: u16 = 1;

/// The instant is on the slave's monotonic clock. Without an instant, EXEC starts the task at once, as in version 1.
impl Fields for Option<MonotonicInstant> {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        fields.put_some(*self, |fields, instant| fields.put_integer(INSTANT, instant.as_nanos()))
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        let instant = fields.optional_integer(INSTANT)?.map(MonotonicInstant::from_nanos);
        if instant.is_none() {
            // Without an instant, the message means something else.
            fields.check_absent(INSTANT)?;
        }
        Ok(instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let at = MonotonicInstant::from_nanos(0x0102);
        let bytes = [0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(Some(at).encode(), bytes);
        assert_eq!(Option::<MonotonicInstant>::decode(&bytes), Ok(Some(at)));
        assert_eq!((None::<MonotonicInstant>.encode(), Option::<MonotonicInstant>::decode(b"")), (vec![], Ok(None)));
        assert_eq!(Option::<MonotonicInstant>::decode(&bytes[..7]), Err(LayoutError::Truncated));
    }
}
