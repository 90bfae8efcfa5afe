//! What can be wrong with the data of a message.

use thiserror::Error;

/// Data that do not have the layout of their message, which docs/protocol.md describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// The data end within a field.
    #[error("the data end within a field")]
    Truncated,
    /// Data of a fixed length have another one.
    #[error("the data have the wrong length {length}; expected: {expected}")]
    DataLength {
        /// Bytes of the data.
        length: usize,
        /// Bytes that the message has.
        expected: usize,
    },
    /// The value of a field does not have the length that its tag requires.
    #[error("field {tag} has the wrong length {length}")]
    Length {
        /// The field's tag.
        tag: u16,
        /// Bytes of the field's value.
        length: usize,
    },
    /// The value of a field is unknown.
    #[error("field {tag} has the unknown value {value}")]
    Value {
        /// The field's tag.
        tag: u16,
        /// The field's value.
        value: u8,
    },
    /// The value of a field breaks a rule of its message.
    #[error("the value of field {0} is not allowed")]
    NotAllowed(u16),
    /// The message lacks a required field.
    #[error("field {0} is missing")]
    Missing(u16),
    /// A field is not among the first bytes of a message that is longer than its receiver allows, so that the receiver
    /// does not know the field.
    #[error("the message is too long, and field {0} is not in the part that is kept")]
    CutOff(u16),
    /// A message that has to be whole is longer than its receiver allows.
    #[error("the message is too long")]
    TooLong,
}
