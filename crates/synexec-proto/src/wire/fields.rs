//! Fields: how extension data are laid out, so that a later revision can add to them.
//!
//! A field is a tag (u16, big-endian), the length of its value (u16, big-endian) and the value. A reader skips tags
//! that it does not know.

use std::time::Duration;

use thiserror::Error;

use crate::time::nanos;

/// Data that are no sequence of fields, or lack one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FieldError {
    /// The data end within a field.
    #[error("the data end within a field")]
    Truncated,
    /// A field whose value has not the length that its tag asks for.
    #[error("field {tag} has {length} bytes, which is not its size")]
    Length {
        /// The field's tag.
        tag: u16,
        /// Bytes of its value.
        length: usize,
    },
    /// A field whose value means nothing.
    #[error("field {tag} is {value}, which means nothing")]
    Value {
        /// The field's tag.
        tag: u16,
        /// Its value.
        value: u8,
    },
    /// A field that the message cannot do without is not there.
    #[error("field {0} is missing")]
    Missing(u16),
}

/// Writes fields one after another.
#[derive(Debug, Default)]
pub struct FieldWriter(Vec<u8>);

impl FieldWriter {
    /// Appends to bytes that are already there, such as the fixed part of a message.
    pub fn after(fixed: Vec<u8>) -> Self {
        Self(fixed)
    }

    /// Adds a field. A value that is too long for its length field is left out, since a cut one would be a lie.
    #[must_use]
    pub fn put(mut self, tag: u16, value: &[u8]) -> Self {
        if let Ok(length) = u16::try_from(value.len()) {
            self.0.extend_from_slice(&tag.to_be_bytes());
            self.0.extend_from_slice(&length.to_be_bytes());
            self.0.extend_from_slice(value);
        }
        self
    }

    /// Adds a number of 64 bits.
    #[must_use]
    pub fn put_u64(self, tag: u16, number: u64) -> Self {
        self.put(tag, &number.to_be_bytes())
    }

    /// Adds a time in nanoseconds (u64); the longest there is where it is longer.
    #[must_use]
    pub fn put_duration(self, tag: u16, time: Duration) -> Self {
        self.put_u64(tag, nanos(time))
    }

    /// Adds a field where there is something to write.
    #[must_use]
    pub fn put_some<T>(self, value: Option<T>, put: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => put(self, value),
            None => self,
        }
    }

    /// All that was written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Gives the fields of `0` one by one, as tag and value.
#[derive(Debug, Clone)]
pub struct FieldReader<'a>(pub &'a [u8]);

impl<'a> FieldReader<'a> {
    /// The value of the first field with this tag.
    ///
    /// # Errors
    /// [`FieldError::Truncated`] when the data are cut short before it is found.
    pub fn find(&self, tag: u16) -> Result<Option<&'a [u8]>, FieldError> {
        for field in self.clone() {
            let (found, value) = field?;
            if found == tag {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The value of a field that must be there and has `N` bytes.
    ///
    /// # Errors
    /// [`FieldError`] when it is missing, has another length, or the data are cut short.
    pub fn array<const N: usize>(&self, tag: u16) -> Result<[u8; N], FieldError> {
        self.optional_array(tag)?.ok_or(FieldError::Missing(tag))
    }

    /// The value of a field that has `N` bytes where it is there.
    ///
    /// # Errors
    /// [`FieldError`] when it has another length, or the data are cut short.
    pub fn optional_array<const N: usize>(&self, tag: u16) -> Result<Option<[u8; N]>, FieldError> {
        let Some(value) = self.find(tag)? else { return Ok(None) };
        value.try_into().map(Some).map_err(|_| FieldError::Length { tag, length: value.len() })
    }

    /// A number of 64 bits that must be there.
    ///
    /// # Errors
    /// As [`Self::array`].
    pub fn u64(&self, tag: u16) -> Result<u64, FieldError> {
        self.array(tag).map(u64::from_be_bytes)
    }

    /// A number of 64 bits where it is there.
    ///
    /// # Errors
    /// As [`Self::optional_array`].
    pub fn optional_u64(&self, tag: u16) -> Result<Option<u64>, FieldError> {
        Ok(self.optional_array(tag)?.map(u64::from_be_bytes))
    }

    /// A time in nanoseconds where it is there.
    ///
    /// # Errors
    /// As [`Self::optional_array`].
    pub fn optional_duration(&self, tag: u16) -> Result<Option<Duration>, FieldError> {
        Ok(self.optional_u64(tag)?.map(Duration::from_nanos))
    }
}

impl<'a> Iterator for FieldReader<'a> {
    type Item = Result<(u16, &'a [u8]), FieldError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = take_field(self.0);
        self.0 = field.map_or(&[], |(_, _, rest)| rest);
        Some(field.map(|(tag, value, _)| (tag, value)).ok_or(FieldError::Truncated))
    }
}

/// The numbers in a value that is nothing but so many of them. Those that the value is too short for are zero.
pub(crate) fn get_u64s<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut numbers = [0; N];
    for (number, chunk) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *number = u64::from_be_bytes(*chunk);
    }
    numbers
}

fn take_field(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((u16::from_be_bytes(*tag), value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes() {
        let bytes = FieldWriter::default().put(1, b"vm7").put(0x102, &[]).finish();
        assert_eq!(bytes, [0, 1, 0, 3, b'v', b'm', b'7', 1, 2, 0, 0]);
        let fields: Vec<_> = FieldReader(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(fields, [(1, &b"vm7"[..]), (0x102, &b""[..])]);
    }

    #[test]
    fn unknown_fields_are_skipped_and_missing_ones_named() {
        let bytes = FieldWriter::default().put(900, b"later").put(2, &7u32.to_be_bytes()).finish();
        assert_eq!(FieldReader(&bytes).array::<4>(2), Ok([0, 0, 0, 7]));
        assert_eq!(FieldReader(&bytes).array::<4>(3), Err(FieldError::Missing(3)));
        assert_eq!(FieldReader(&bytes).array::<8>(2), Err(FieldError::Length { tag: 2, length: 4 }));
        assert_eq!(FieldReader(&bytes).optional_array::<4>(3), Ok(None));
    }

    #[test]
    fn a_value_too_long_for_its_length_is_left_out() {
        let bytes = FieldWriter::default().put(1, &vec![0; 70_000]).put(2, b"x").finish();
        assert_eq!(FieldReader(&bytes).find(1), Ok(None));
        assert_eq!(FieldReader(&bytes).find(2), Ok(Some(&b"x"[..])));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_fields_or_one_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let fields: Vec<_> = FieldReader(&bytes).collect();
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
