//! Reading the fields of a message.

use std::time::Duration;

use super::integers::split_integer;
use super::{LayoutError, WireInteger};

/// Iterates over the fields in these bytes, each as its tag and value.
#[derive(Debug, Clone)]
pub struct FieldReader<'a>(pub &'a [u8]);

impl<'a> FieldReader<'a> {
    /// The value of the first field with this tag; none where there is no such field.
    ///
    /// # Errors
    /// [`LayoutError::Truncated`] when the data end within a field before the searched one.
    pub fn find(&self, tag: u16) -> Result<Option<&'a [u8]>, LayoutError> {
        for field in self.clone() {
            let (found, value) = field?;
            if found == tag {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The values of all fields with this tag, in their order.
    ///
    /// # Errors
    /// [`LayoutError::Truncated`] when the data end within a field.
    pub fn find_all(&self, tag: u16) -> Result<Vec<&'a [u8]>, LayoutError> {
        let values = self.clone().filter_map(|field| match field {
            Ok((found, value)) => (found == tag).then_some(Ok(value)),
            Err(error) => Some(Err(error)),
        });
        values.collect()
    }

    /// The value of a required field of `N` bytes.
    ///
    /// # Errors
    /// [`LayoutError`] when the field is missing or has another length, or the data are cut short.
    pub fn array<const N: usize>(&self, tag: u16) -> Result<[u8; N], LayoutError> {
        self.optional_array(tag)?.ok_or(LayoutError::Missing(tag))
    }

    /// The value of an optional field of `N` bytes.
    ///
    /// # Errors
    /// [`LayoutError`] when the field has another length, or the data are cut short.
    pub fn optional_array<const N: usize>(&self, tag: u16) -> Result<Option<[u8; N]>, LayoutError> {
        self.optional(tag)
    }

    /// The integer in a required field.
    ///
    /// # Errors
    /// Those of [`Self::array`].
    pub fn integer<T: WireInteger>(&self, tag: u16) -> Result<T, LayoutError> {
        self.optional_integer(tag)?.ok_or(LayoutError::Missing(tag))
    }

    /// The integer in an optional field.
    ///
    /// # Errors
    /// Those of [`Self::optional_array`].
    pub fn optional_integer<T: WireInteger>(&self, tag: u16) -> Result<Option<T>, LayoutError> {
        Ok(self.optional(tag)?.map(T::from_wire))
    }

    /// The time in a required field, in nanoseconds (u64).
    ///
    /// # Errors
    /// Those of [`Self::array`].
    pub fn duration(&self, tag: u16) -> Result<Duration, LayoutError> {
        self.integer(tag).map(Duration::from_nanos)
    }

    /// The time in an optional field, in nanoseconds (u64).
    ///
    /// # Errors
    /// Those of [`Self::optional_array`].
    pub fn optional_duration(&self, tag: u16) -> Result<Option<Duration>, LayoutError> {
        Ok(self.optional_integer(tag)?.map(Duration::from_nanos))
    }

    fn optional<T: TryFrom<&'a [u8]>>(&self, tag: u16) -> Result<Option<T>, LayoutError> {
        let Some(value) = self.find(tag)? else { return Ok(None) };
        value.try_into().map(Some).map_err(|_| LayoutError::Length { tag, length: value.len() })
    }
}

impl<'a> Iterator for FieldReader<'a> {
    type Item = Result<(u16, &'a [u8]), LayoutError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = split_field(self.0);
        self.0 = field.map_or(&[], |(_, _, rest)| rest);
        Some(field.map(|(tag, value, _)| (tag, value)).ok_or(LayoutError::Truncated))
    }
}

/// The tag and the value of the first field, and the bytes after the field.
fn split_field(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (tag, rest) = split_integer(bytes)?;
    let (length, rest) = split_integer::<u16>(rest)?;
    let (value, rest) = rest.split_at_checked(length.into())?;
    Some((tag, value, rest))
}
