//! Data made of fields: how extension data are laid out, so that a later revision can add to them.
//!
//! A field is a tag (u16), the length of the value (u16) and the value. A reader skips tags that it does not know.

use super::{FieldReader, FieldWriter, LayoutError};

/// Data of a message that are nothing but fields.
pub(crate) trait Fields: Sized {
    /// Writes the fields. Their order has no meaning, except among fields with the same tag.
    fn write(&self, fields: FieldWriter) -> FieldWriter;

    /// Reads the fields.
    ///
    /// # Errors
    /// [`LayoutError`] when a required field is missing, or a field cannot be read.
    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError>;

    /// The fields as data of a message.
    fn encode(&self) -> Vec<u8> {
        self.write(FieldWriter::default()).finish()
    }

    /// Reads the data of a whole message.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    #[cfg(test)]
    fn decode(data: &[u8]) -> Result<Self, LayoutError> {
        Self::read(&FieldReader::new(data))
    }
}

impl<T: Fields> Fields for Box<T> {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        T::write(self, fields)
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        T::read(fields).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::wire::{FieldReader, FieldWriter, LayoutError};

    #[test]
    fn golden_bytes() {
        let bytes = FieldWriter::default().put(1, b"vm7").put(0x102, &[]).finish();
        assert_eq!(bytes, [0, 1, 0, 3, b'v', b'm', b'7', 1, 2, 0, 0]);
        let fields: Vec<_> = FieldReader::new(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(fields, [(1, &b"vm7"[..]), (0x102, &b""[..])]);
    }

    #[test]
    fn unknown_fields_are_skipped_and_missing_ones_named() {
        let bytes = FieldWriter::default().put(900, b"later").put_integer(2, 7_u32).finish();
        assert_eq!(FieldReader::new(&bytes).array::<4>(2), Ok([0, 0, 0, 7]));
        assert_eq!(FieldReader::new(&bytes).array::<4>(3), Err(LayoutError::Missing(3)));
        assert_eq!(FieldReader::new(&bytes).array::<8>(2), Err(LayoutError::Length { tag: 2, length: 4 }));
        assert_eq!(FieldReader::new(&bytes).optional_array::<4>(3), Ok(None));
    }

    #[test]
    fn a_value_too_long_for_its_length_is_left_out() {
        let bytes = FieldWriter::default().put(1, &vec![0; 70_000]).put(2, b"x").finish();
        assert_eq!(FieldReader::new(&bytes).find(1), Ok(None));
        assert_eq!(FieldReader::new(&bytes).find(2), Ok(Some(&b"x"[..])));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_fields_or_one_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let fields: Vec<_> = FieldReader::new(&bytes).collect();
            let errors = fields.iter().filter(|field| field.is_err()).count();
            prop_assert!(errors <= 1);
            if errors == 0 {
                let writer = fields.into_iter().flatten()
                    .fold(FieldWriter::default(), |writer, (tag, value)| writer.put(tag, value));
                prop_assert_eq!(writer.finish(), bytes);
            }
        }
    }
}
