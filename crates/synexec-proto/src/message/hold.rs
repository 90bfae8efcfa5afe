//! `HOLD`: hold the task of the conf for another round. The slave answers as to a CONF.

use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const ROUND: u16 = 1;

/// The next round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// The round's number. The conf itself begins round 1.
    pub round: u32,
}

impl Fields for Hold {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        fields.put_integer(ROUND, self.round)
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        Ok(Self { round: fields.integer(ROUND)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let hold = Hold { round: 7 };
        assert_eq!(hold.encode(), [0, 1, 0, 4, 0, 0, 0, 7]);
        assert_eq!(Hold::decode(&[0, 1, 0, 4, 0, 0, 0, 7]), Ok(hold));
        assert_eq!(Hold::decode(b""), Err(LayoutError::Missing(ROUND)));
    }
}
