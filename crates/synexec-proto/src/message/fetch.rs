//! FETCH: give me some of the output of the task that ran last. Fields: 1 from where (u64 bytes), 2 how much at most (u32
//! bytes), 3 (u8, 1) where there is nothing yet, wait until there is.
//!
//! `OUTPUT_PART`s with just those bytes follow, fewer when there are no more, and an `OUTPUT_MARK`; or an `OUTPUT_NO`.

use crate::wire::{FieldError, FieldReader, FieldWriter};

const OFFSET: u16 = 1;
const LENGTH: u16 = 2;
const FOLLOW: u16 = 3;

/// A piece of output that the master wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Its first byte.
    pub offset: u64,
    /// Its length at most, in bytes.
    pub length: u32,
    /// Whether the answer is to wait until there is something, or the task is over.
    pub follow: bool,
}

impl Fetch {
    /// The message's data.
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::default()
            .put_u64(OFFSET, self.offset)
            .put(LENGTH, &self.length.to_be_bytes())
            .put_some(self.follow.then_some(()), |writer, ()| writer.put(FOLLOW, &[1]))
            .finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when a field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        let fields = FieldReader(data);
        Ok(Self {
            offset: fields.u64(OFFSET)?,
            length: u32::from_be_bytes(fields.array(LENGTH)?),
            follow: fields.optional_array(FOLLOW)? == Some([1]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let fetch = Fetch { offset: 0x100, length: 0x2000, follow: false };
        let bytes = [&[0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 0][..], &[0, 2, 0, 4, 0, 0, 0x20, 0]].concat();
        assert_eq!(fetch.encode(), bytes);
        assert_eq!(Fetch::decode(&bytes), Ok(fetch));
        let following = Fetch { follow: true, ..fetch };
        assert_eq!(following.encode()[bytes.len()..], [0, 3, 0, 1, 1]);
        assert_eq!(Fetch::decode(&following.encode()), Ok(following));
    }
}
