//! How the data of a message become a value, and back.

use crate::wire::{FieldReader, Fields, Frame, LayoutError};

/// The data of a message.
pub(super) trait MessageData: Sized {
    /// The data as they cross the network.
    fn to_data(&self) -> Vec<u8>;

    /// Reads the data of a frame, of which only the beginning may be there.
    ///
    /// # Errors
    /// [`LayoutError`] when the data do not have this type's layout.
    fn from_frame(frame: Frame) -> Result<Self, LayoutError>;
}

impl<T: Fields> MessageData for T {
    fn to_data(&self) -> Vec<u8> {
        self.encode()
    }

    fn from_frame(frame: Frame) -> Result<Self, LayoutError> {
        Self::read(&FieldReader::of(&frame))
    }
}

/// Any bytes: a conf, or a part of a conf or of an output. A part of them would be wrong.
impl MessageData for Vec<u8> {
    fn to_data(&self) -> Vec<u8> {
        self.clone()
    }

    fn from_frame(frame: Frame) -> Result<Self, LayoutError> {
        if frame.is_cut() { Err(LayoutError::TooLong) } else { Ok(frame.into_data()) }
    }
}
