//! `OUTPUT_MARK`: the answer to a FETCH is complete. Fields: 1 where it ended (u64 bytes), 2 (u8, 1) nothing comes after
//! that, 3 BLAKE3 digest of all of the output (32 bytes; only at its end, and where all of it was fetched from the beginning).

use crate::digest::Digest;
use crate::wire::{FieldError, FieldReader, FieldWriter};

const POSITION: u16 = 1;
const END: u16 = 2;
const DIGEST: u16 = 3;

/// Where the output that was given ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputMark {
    /// Bytes before this place.
    pub position: u64,
    /// Whether nothing comes after it: the task is over, and this is its output's end.
    pub is_end: bool,
    /// The digest of all before it.
    pub digest: Option<Digest>,
}

impl OutputMark {
    /// The message's data.
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::default()
            .put_u64(POSITION, self.position)
            .put_some(self.is_end.then_some(()), |writer, ()| writer.put(END, &[1]))
            .put_some(self.digest, |writer, digest| writer.put(DIGEST, digest.as_bytes()))
            .finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when a field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        let fields = FieldReader(data);
        Ok(Self {
            position: fields.u64(POSITION)?,
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
