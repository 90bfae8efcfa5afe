//! FETCH: the master asks for a piece of the output of the last task.
//!
//! The slave answers with `OUTPUT_PART`s, which hold the piece or as much of it as there is, and an `OUTPUT_MARK`; or
//! with an `OUTPUT_NO`.

use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const OFFSET: u16 = 1;
const LENGTH: u16 = 2;
const FOLLOW: u16 = 3;

/// The piece of the output that the master asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Where the piece begins, in bytes from the beginning of the output.
    pub offset: u64,
    /// Most bytes of the piece.
    pub length: u32,
    /// Whether the slave waits with its answer until the piece has a byte or the task is over.
    pub follow: bool,
}

impl Fields for Fetch {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        let fields = fields.put_integer(OFFSET, self.offset).put_integer(LENGTH, self.length);
        fields.put_if(self.follow, FOLLOW, &[1])
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        Ok(Self {
            offset: fields.integer(OFFSET)?,
            length: fields.integer(LENGTH)?,
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
