//! How a slave answers a FETCH.

use synexec_proto::digest::Digest;
use synexec_proto::message::{Fetch, Message, OutputMark};

/// The most bytes of output in one `OUTPUT_PART`.
const PART: usize = 5000;

/// A slave's answer to a FETCH: parts, and a mark. Of the output this many bytes are written by now, and `bytes(from, to)`
/// gives those between two positions.
#[must_use]
pub fn answer_fetch(bytes: impl Fn(u64, u64) -> Vec<u8>, written: u64, is_over: bool, fetch: Fetch) -> Vec<Message> {
    let until = fetch.offset.saturating_add(fetch.length.into()).min(written);
    let is_end = is_over && until == written;
    let digest = is_end.then(|| Digest::of(&bytes(0, until)));
    let piece = bytes(fetch.offset, until);
    let parts = piece.chunks(PART).map(|part| Message::OutputPart(part.to_vec()));
    parts.chain([Message::OutputMark(OutputMark { position: until, is_end, digest })]).collect()
}
