//! Messages as the bytes that cross the network.

use synexec_proto::message::{Capabilities, Message};
use synexec_proto::wire::{DATA_MAX, Frame, FrameDecoder, SessionId, WireInteger as _};

/// The one session of a world.
pub const SESSION: SessionId = SessionId(0);

/// The bytes of a message.
pub fn encode(message: &Message) -> Vec<u8> {
    message.encode().expect("a message of a scenario fits into a frame").encode(SESSION)
}

/// A decoder of a stream of such bytes.
pub fn decoder() -> FrameDecoder {
    FrameDecoder::new(SESSION, DATA_MAX)
}

/// The frame in which a message arrives.
pub fn frame_of(message: &Message) -> Frame {
    let mut decoder = decoder();
    decoder.feed(&encode(message));
    decoder.next_frame().expect("the frame belongs to this session").expect("the frame is complete")
}

/// The capability block of a release that announces these feature bits. Its name is empty.
///
/// # Panics
///
/// Never: the block is well-formed.
#[must_use]
pub fn block_with_features(bits: u64) -> Capabilities {
    let block = [b"SYNX".as_slice(), &[0, 1], &bits.to_wire()].concat();
    Capabilities::decode(&block).expect("the block is complete").expect("the bytes are a block")
}
