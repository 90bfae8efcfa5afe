//! FETCH: the master asks for a piece of a stream of the last task.
//!
//! The slave answers with `OUTPUT_PART`s, which hold the piece or as much of it as there is, and an `OUTPUT_MARK`; or
//! with an `OUTPUT_NO`.

use super::TaskStream;
use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const OFFSET: u16 = 1;
const LENGTH: u16 = 2;
const FOLLOW: u16 = 3;
const STREAM: u16 = 4;
const OTHER: u16 = 5;

/// Value of the field for standard error.
const ERRORS: u8 = 1;

/// The piece of a stream that the master asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetch {
    /// The stream. Only a task with separate streams has more than the output.
    pub stream: TaskStream,
    /// Where the piece begins, in bytes from the beginning of the stream.
    pub offset: u64,
    /// Most bytes of the piece.
    pub length: u32,
    /// Whether the slave waits with its answer until the piece has a byte or the task is over.
    pub follow: bool,
    /// With `follow`: the slave also waits no longer once the other stream is longer than this many bytes. None if the
    /// master does not wait for the other stream.
    pub other: Option<u64>,
}

impl Fields for Fetch {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        let fields = fields.put_integer(OFFSET, self.offset).put_integer(LENGTH, self.length);
        fields
            .put_if(self.follow, FOLLOW, &[1])
            .put_if(self.stream == TaskStream::Errors, STREAM, &[ERRORS])
            .put_some(self.other, |fields, length| fields.put_integer(OTHER, length))
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        let stream = match fields.optional_array(STREAM)? {
            None => TaskStream::Output,
            Some([ERRORS]) => TaskStream::Errors,
            Some(_) => return Err(LayoutError::NotAllowed(STREAM)),
        };
        Ok(Self {
            stream,
            offset: fields.integer(OFFSET)?,
            length: fields.integer(LENGTH)?,
            follow: fields.optional_array(FOLLOW)? == Some([1]),
            other: fields.optional_integer(OTHER)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let fetch = Fetch { offset: 0x100, length: 0x2000, ..Fetch::default() };
        let bytes = [&[0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 0][..], &[0, 2, 0, 4, 0, 0, 0x20, 0]].concat();
        assert_eq!(fetch.encode(), bytes);
        assert_eq!(Fetch::decode(&bytes), Ok(fetch));
        let following = Fetch { follow: true, ..fetch };
        assert_eq!(following.encode()[bytes.len()..], [0, 3, 0, 1, 1]);
        assert_eq!(Fetch::decode(&following.encode()), Ok(following));
        let errors = Fetch { stream: TaskStream::Errors, other: Some(0x300), ..fetch };
        let more = [&[0, 4, 0, 1, 1][..], &[0, 5, 0, 8, 0, 0, 0, 0, 0, 0, 3, 0]].concat();
        assert_eq!(errors.encode()[bytes.len()..], more);
        assert_eq!(Fetch::decode(&errors.encode()), Ok(errors));
    }

    #[test]
    fn a_stream_that_does_not_exist_is_an_error() {
        let bytes = FieldWriter::after(Fetch::default().encode()).put(STREAM, &[2]).finish();
        assert_eq!(Fetch::decode(&bytes), Err(LayoutError::NotAllowed(STREAM)));
    }
}
