//! Data on `CONF_OK`, where a start at one instant is agreed: how the task is held. Field 1 is u8: 0 before exec, 1 at
//! the program's first instruction.

use std::fmt;

use crate::wire::{FieldError, FieldReader, FieldWriter};

const HELD: u16 = 1;

/// Where a task waits for its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// In a process of its own that has not executed the program yet.
    BeforeExec,
    /// At the program's first instruction: it is loaded, and exec cannot fail any more.
    AtFirstInstruction,
}

impl Held {
    /// The message's data; none where it is not told.
    pub(super) fn encode(held: Option<Self>) -> Vec<u8> {
        held.map_or_else(Vec::new, |held| {
            FieldWriter::default().put(HELD, &[u8::from(held == Self::AtFirstInstruction)]).finish()
        })
    }

    /// Reads the message's data.
    pub(super) fn decode(data: &[u8]) -> Result<Option<Self>, FieldError> {
        match FieldReader(data).optional_array(HELD)? {
            None => Ok(None),
            Some([0]) => Ok(Some(Self::BeforeExec)),
            Some([1]) => Ok(Some(Self::AtFirstInstruction)),
            Some([value]) => Err(FieldError::Value { tag: HELD, value }),
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
            assert_eq!(Held::encode(Some(held)), bytes);
            assert_eq!(Held::decode(&bytes), Ok(Some(held)));
        }
        assert_eq!((Held::encode(None), Held::decode(b"")), (vec![], Ok(None)));
        assert_eq!(Held::decode(&[0, 1, 0, 1, 2]), Err(FieldError::Value { tag: HELD, value: 2 }));
    }
}
