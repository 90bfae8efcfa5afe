//! How the data of a message become a value, and back.

use crate::wire::{Fields, LayoutError};

/// The data of a message.
pub(super) trait MessageData: Sized {
    /// The data as they cross the network.
    fn to_data(&self) -> Vec<u8>;

    /// Reads the data.
    ///
    /// # Errors
    /// [`LayoutError`] when the data do not have this type's layout.
    fn from_data(data: Vec<u8>) -> Result<Self, LayoutError>;
}

impl<T: Fields> MessageData for T {
    fn to_data(&self) -> Vec<u8> {
        self.encode()
    }

    fn from_data(data: Vec<u8>) -> Result<Self, LayoutError> {
        Self::decode(&data)
    }
}

/// Any bytes: a conf, or a part of a conf or of an output.
impl MessageData for Vec<u8> {
    fn to_data(&self) -> Vec<u8> {
        self.clone()
    }

    fn from_data(data: Vec<u8>) -> Result<Self, LayoutError> {
        Ok(data)
    }
}
