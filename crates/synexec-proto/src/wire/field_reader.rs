//! Reading the fields of a message.

use std::time::Duration;

use super::integers::split_integer;
use super::{Frame, LayoutError, WireInteger};
use crate::text::printable;

/// Iterates over the whole fields in these bytes, each as its tag and value.
///
/// A receiver keeps only the beginning of a message that is too long. The fields after the cut are unknown: an optional
/// field counts as absent there, and a required one is an error. Of a text at the cut, the reader gives the part before
/// the cut.
#[derive(Debug, Clone)]
pub struct FieldReader<'a> {
    bytes: &'a [u8],
    /// Whether bytes followed that were not kept.
    is_cut: bool,
}

impl<'a> FieldReader<'a> {
    /// Reads the data of a whole message.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, is_cut: false }
    }

    /// Reads the data of a frame, which may be cut.
    pub fn of(frame: &'a Frame) -> Self {
        Self { bytes: frame.data(), is_cut: frame.is_cut() }
    }

    /// Splits an integer off the beginning of the data, before their first field.
    ///
    /// # Errors
    /// [`LayoutError::Truncated`] when there are too few bytes.
    pub fn split_integer<T: WireInteger>(&mut self) -> Result<T, LayoutError> {
        let (integer, rest) = split_integer(self.bytes).ok_or(LayoutError::Truncated)?;
        self.bytes = rest;
        Ok(integer)
    }

    /// Splits these bytes off the beginning of the data. Returns whether the data begin with them.
    pub fn split_prefix(&mut self, prefix: &[u8]) -> bool {
        let rest = self.bytes.strip_prefix(prefix);
        self.bytes = rest.unwrap_or(self.bytes);
        rest.is_some()
    }

    /// The value of the first field with this tag; none where there is no such field.
    ///
    /// # Errors
    /// [`LayoutError::Truncated`] when the data end within a field before the searched one, and are not cut.
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

    /// The text of an optional field, safe to show on a terminal. A text that is too long is cut, and so is a text that
    /// the end of the kept data cuts.
    ///
    /// # Errors
    /// Those of [`Self::find`].
    pub fn text(&self, tag: u16) -> Result<Option<String>, LayoutError> {
        let whole = self.find(tag)?;
        Ok(whole.or_else(|| self.begun(tag).map(whole_characters)).map(printable))
    }

    /// Checks that a field which was not found is absent, and not behind the cut.
    ///
    /// # Errors
    /// [`LayoutError::CutOff`] when the message is cut.
    pub fn check_absent(&self, tag: u16) -> Result<(), LayoutError> {
        if self.is_cut { Err(LayoutError::CutOff(tag)) } else { Ok(()) }
    }

    /// The value of a required field of `N` bytes.
    ///
    /// # Errors
    /// [`LayoutError`] when the field is missing or has another length, or the data are cut short.
    pub fn array<const N: usize>(&self, tag: u16) -> Result<[u8; N], LayoutError> {
        self.required(tag, self.optional_array(tag)?)
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
        self.required(tag, self.optional_integer(tag)?)
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

    fn required<T>(&self, tag: u16, value: Option<T>) -> Result<T, LayoutError> {
        if value.is_none() {
            self.check_absent(tag)?;
        }
        value.ok_or(LayoutError::Missing(tag))
    }

    /// The beginning of the field that the cut divides, if the field has this tag.
    fn begun(&self, tag: u16) -> Option<&'a [u8]> {
        let mut rest = self.bytes;
        while let Some((_, _, after)) = split_field(rest) {
            rest = after;
        }
        let (found, rest) = split_integer::<u16>(rest)?;
        let (_, value) = split_integer::<u16>(rest)?;
        (self.is_cut && found == tag).then_some(value)
    }
}

impl<'a> Iterator for FieldReader<'a> {
    type Item = Result<(u16, &'a [u8]), LayoutError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let field = split_field(self.bytes);
        self.bytes = field.map_or(&[], |(_, _, rest)| rest);
        match field {
            Some((tag, value, _)) => Some(Ok((tag, value))),
            None if self.is_cut => None,
            None => Some(Err(LayoutError::Truncated)),
        }
    }
}

/// The tag and the value of the first field, and the bytes after the field.
fn split_field(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (tag, rest) = split_integer(bytes)?;
    let (length, rest) = split_integer::<u16>(rest)?;
    let (value, rest) = rest.split_at_checked(length.into())?;
    Some((tag, value, rest))
}

/// The text without a last character that is cut.
fn whole_characters(text: &[u8]) -> &[u8] {
    match str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => text.get(..error.valid_up_to()).unwrap_or_default(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{Command, FieldWriter};

    /// The first bytes of a message that is longer.
    fn cut(kept: &[u8]) -> Frame {
        Frame::cut(Command::Reply, kept.to_vec()).unwrap()
    }

    #[test]
    fn a_text_is_cut_where_the_message_is_cut() {
        let bytes = FieldWriter::default().put_integer(2, 7_u32).put(1, "läuft".as_bytes()).put(3, b"later").finish();
        for (kept, text) in
            [(8, None), (10, None), (11, None), (12, Some("")), (13, Some("l")), (14, Some("l")), (15, Some("lä"))]
        {
            let frame = cut(&bytes[..kept]);
            let fields = FieldReader::of(&frame);
            assert_eq!(fields.text(1), Ok(text.map(str::to_owned)), "{kept} bytes");
            assert_eq!((fields.integer(2), fields.text(3)), (Ok(7_u32), Ok(None)));
            assert_eq!(FieldReader::new(&bytes[..kept]).text(1).is_ok(), kept == 8, "a message that is not cut");
        }
    }

    #[test]
    fn what_is_behind_the_cut_is_unknown() {
        let bytes = FieldWriter::default().put(9, &[0; 50]).put_integer(2, 7_u32).finish();
        for kept in [0, 3, 20, 54, 58, 61] {
            let frame = cut(&bytes[..kept]);
            let fields = FieldReader::of(&frame);
            assert_eq!(fields.integer::<u32>(2), Err(LayoutError::CutOff(2)), "{kept} bytes");
            assert_eq!(fields.optional_integer::<u32>(2), Ok(None));
            assert_eq!(fields.check_absent(2), Err(LayoutError::CutOff(2)));
        }
        assert_eq!(FieldReader::of(&cut(&bytes)).integer(2), Ok(7_u32));
        assert_eq!(FieldReader::new(&bytes).integer::<u32>(3), Err(LayoutError::Missing(3)));
        assert_eq!(FieldReader::new(&bytes).check_absent(3), Ok(()));
    }

    proptest! {
        #[test]
        fn a_cut_invents_no_field(bytes in prop::collection::vec(any::<u8>(), 0..200), kept in 0..200_usize) {
            let whole: Vec<_> = FieldReader::new(&bytes).map_while(Result::ok).collect();
            let frame = cut(&bytes[..kept.min(bytes.len())]);
            let before: Vec<_> = FieldReader::of(&frame).collect::<Result<_, _>>().unwrap();
            prop_assert!(whole.starts_with(&before));
        }
    }
}
