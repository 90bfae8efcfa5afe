//! `CONF_OK`: how the slave holds the task, where a start at one instant is agreed.

use std::fmt;

use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const HELD: u16 = 1;

/// Where a held task waits for its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// In a process of its own, before exec.
    BeforeExec,
    /// At the first instruction of the program: exec has succeeded.
    AtFirstInstruction,
}

impl Fields for Option<Held> {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        fields.put_some(*self, |fields, held| fields.put(HELD, &[u8::from(held == Held::AtFirstInstruction)]))
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        match fields.optional_array(HELD)? {
            None => fields.check_absent(HELD).map(|()| None),
            Some([0]) => Ok(Some(Held::BeforeExec)),
            Some([1]) => Ok(Some(Held::AtFirstInstruction)),
            Some([value]) => Err(LayoutError::Value { tag: HELD, value }),
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeExec => "before exec",
            Self::AtFirstInstruction => "loaded",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        for (held, code) in [(Held::BeforeExec, 0), (Held::AtFirstInstruction, 1)] {
            let bytes = [0, 1, 0, 1, code];
            assert_eq!(Some(held).encode(), bytes);
            assert_eq!(Option::<Held>::decode(&bytes), Ok(Some(held)));
        }
        assert_eq!((None::<Held>.encode(), Option::<Held>::decode(b"")), (vec![], Ok(None)));
        assert_eq!(Option::<Held>::decode(&[0, 1, 0, 1, 2]), Err(LayoutError::Value { tag: HELD, value: 2 }));
    }
}
