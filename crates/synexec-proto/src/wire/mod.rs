//! Headers, frames and fields: the shape of every message, without its meaning.

mod command;
mod decoder;
mod fields;
mod frame;
mod header;

pub use command::Command;
pub use decoder::SLOWEST_BYTES_PER_SECOND;
pub use decoder::{DecodeError, FrameDecoder};
pub(crate) use fields::get_u64s;
pub use fields::{FieldError, FieldReader, FieldWriter};
pub use frame::{DATA_MAX, Frame, FrameTooLong};
pub use header::{HEADER_LEN, Header, PROTOCOL_VERSION, SessionId};
