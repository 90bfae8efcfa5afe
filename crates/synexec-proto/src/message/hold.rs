//! `HOLD`: make the task of the conf ready once more, for another round. Answered like CONF. Field 1 is the round (u32);
//! the conf itself is for round 1.

use crate::wire::{FieldError, FieldReader, FieldWriter};

const ROUND: u16 = 1;

/// Which round is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Its number, from 1.
    pub round: u32,
}

impl Hold {
    /// The message's data.
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::default().put(ROUND, &self.round.to_be_bytes()).finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when the field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        Ok(Self { round: u32::from_be_bytes(FieldReader(data).array(ROUND)?) })
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
        assert_eq!(Hold::decode(b""), Err(FieldError::Missing(ROUND)));
    }
}
