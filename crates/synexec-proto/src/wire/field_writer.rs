//! Writing the fields of a message.

use std::time::Duration;

use super::WireInteger;
use crate::text::printable;
use crate::time::nanos;

/// Writes fields one after another.
#[derive(Debug, Default)]
pub struct FieldWriter(Vec<u8>);

impl FieldWriter {
    /// Appends fields to these bytes, the fixed part of a message.
    pub fn after(fixed: Vec<u8>) -> Self {
        Self(fixed)
    }

    /// Adds a field. A value that is too long for the length field is left out, because a value that is cut short would
    /// be wrong.
    #[must_use]
    pub fn put(mut self, tag: u16, value: &[u8]) -> Self {
        if let Ok(length) = u16::try_from(value.len()) {
            self.0.extend_from_slice(&tag.to_wire());
            self.0.extend_from_slice(&length.to_wire());
            self.0.extend_from_slice(value);
        }
        self
    }

    /// Adds a text. A text that is longer than its receiver keeps is cut.
    #[must_use]
    pub fn put_text(self, tag: u16, text: &str) -> Self {
        self.put(tag, printable(text.as_bytes()).as_bytes())
    }

    /// Adds an integer.
    #[must_use]
    pub fn put_integer(self, tag: u16, integer: impl WireInteger) -> Self {
        self.put(tag, integer.to_wire().as_ref())
    }

    /// Adds a time, as nanoseconds (u64). A longer time is written as `u64::MAX`.
    #[must_use]
    pub fn put_duration(self, tag: u16, time: Duration) -> Self {
        self.put_integer(tag, nanos(time))
    }

    /// Adds a field where there is a value for it.
    #[must_use]
    pub fn put_some<T>(self, value: Option<T>, put: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => put(self, value),
            None => self,
        }
    }

    /// Adds a field where a condition holds.
    #[must_use]
    pub fn put_if(self, condition: bool, tag: u16, value: &[u8]) -> Self {
        if condition { self.put(tag, value) } else { self }
    }

    /// The bytes that were written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}
