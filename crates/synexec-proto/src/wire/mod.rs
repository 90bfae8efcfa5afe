//! The shape of every message: headers, commands, frames and fields. docs/protocol.md describes it to the byte.

mod command;
pub(crate) mod command_table;
mod decoder;
mod feature;
mod field_reader;
mod field_writer;
mod fields;
mod frame;
mod header;
mod integers;
mod layout_error;
mod role;

pub use command::{Command, Sender};
pub use decoder::{DecodeError, FrameDecoder, SLOWEST_BYTES_PER_SECOND};
pub use feature::{Feature, Features};
pub use field_reader::FieldReader;
pub use field_writer::FieldWriter;
pub(crate) use fields::Fields;
pub use frame::{DATA_MAX, Frame, FrameTooLong, SHORT_DATA_MAX};
pub use header::{HEADER_LEN, Header, PROTOCOL_VERSION, SessionId};
pub use integers::WireInteger;
pub(crate) use integers::{i64s_from_little_endian, i64s_to_little_endian, u64s_from_wire, u64s_to_wire};
pub use layout_error::LayoutError;
pub use role::Role;
