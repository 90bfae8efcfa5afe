//! `OUTPUT_MARK`: the answer to a FETCH is complete.

use crate::digest::Digest;
use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const POSITION: u16 = 1;
const END: u16 = 2;
const DIGEST: u16 = 3;

/// Where an answer to FETCH ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputMark {
    /// Where the answer ends, in bytes from the beginning of the output.
    pub position: u64,
    /// Whether the output ends here and the task is over.
    pub is_end: bool,
    /// The digest of the whole output; only at its end, and only where the slave gave the output from its beginning.
    pub digest: Option<Digest>,
}

impl Fields for OutputMark {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        fields
            .put_integer(POSITION, self.position)
            .put_if(self.is_end, END, &[1])
            .put_some(self.digest, |fields, digest| fields.put(DIGEST, digest.as_bytes()))
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        Ok(Self {
            position: fields.integer(POSITION)?,
            is_end: fields.optional_array(END)? == Some([1]),
            digest: fields.optional_array(DIGEST)?.map(Digest::from_bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let so_far = OutputMark { position: 7, is_end: false, digest: None };
        let bytes = [0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7];
        assert_eq!(so_far.encode(), bytes);
        assert_eq!(OutputMark::decode(&bytes), Ok(so_far));
        let all = OutputMark { is_end: true, digest: Some(Digest::from_bytes([9; 32])), ..so_far };
        let bytes = [&bytes[..], &[0, 2, 0, 1, 1], &[0, 3, 0, 32], &[9; 32]].concat();
        assert_eq!(all.encode(), bytes);
        assert_eq!(OutputMark::decode(&bytes), Ok(all));
    }
}
