//! Frames from a stream that is split anywhere.

use arbitrary::{Arbitrary, Result, Unstructured};
use synexec_proto::wire::{
    Command, DATA_MAX, DecodeError, Frame, FrameDecoder, HEADER_LEN, Header, PROTOCOL_VERSION, SessionId,
};

use crate::memory;

/// The session id of the recorded sessions.
const SESSION: SessionId = SessionId(0x1234_5678);

/// Bytes of the longest piece of the stream.
const PIECE_MAX: usize = 4096;

/// Bytes at the end of the input that choose the pieces. A recorded stream followed by any bytes is therefore an
/// input.
const CONTROL: usize = 16;

/// Checks that the decoder finds the frames of the stream however it is split, and keeps at most one message and one
/// piece.
pub fn framing(data: &[u8]) {
    if let Some((stream, control)) = data.split_last_chunk::<CONTROL>() {
        let _ = check_in_pieces(stream, &mut Unstructured::new(control));
    }
}

fn check_in_pieces(stream: &[u8], control: &mut Unstructured<'_>) -> Result<()> {
    let longest_data = *control.choose(&[0, 300, 20_000, DATA_MAX])?;
    let mut stream = stream.to_vec();
    if bool::arbitrary(control)? {
        complete(&mut stream);
    }
    let held = HEADER_LEN + longest_data + PIECE_MAX;
    // A growing buffer exists twice, and one of the two is twice as large. The frame and the expected frame each have
    // a copy of the data.
    memory::within(3 * held + 2 * longest_data + 1024, || check(&stream, longest_data, control))
}

/// Adds the missing bytes of the last frame.
fn complete(stream: &mut Vec<u8>) {
    let mut rest = stream.as_slice();
    while let Some(Ok(_)) = next(&mut rest, 0) {}
    if let Some(header) = rest.first_chunk::<HEADER_LEN>() {
        let whole = HEADER_LEN + usize::from(Header::decode(*header).length);
        stream.resize(stream.len() - rest.len() + whole.max(rest.len()), b'x');
    }
}

fn check(stream: &[u8], longest_data: usize, control: &mut Unstructured<'_>) -> Result<()> {
    let mut decoder = FrameDecoder::new(SESSION, longest_data);
    let (mut expected, mut coming) = (stream, stream);
    while !coming.is_empty() {
        let length = *control.choose(&[PIECE_MAX, 1, 2, 10, 11, 12, 64, 1000])?;
        let (piece, later) = coming.split_at(length.min(coming.len()));
        decoder.feed(piece);
        coming = later;
        loop {
            // Bytes that have not arrived yet cannot belong to a frame.
            let mut come = &expected[..expected.len() - coming.len()];
            match (decoder.next_frame(), next(&mut come, longest_data)) {
                (Ok(Some(found)), Some(Ok(frame))) => assert_eq!(found, frame),
                (Err(found), Some(Err(error))) => {
                    assert_eq!(found, error);
                    return Ok(());
                }
                (Ok(None), None) => break,
                other => panic!("{other:?}"),
            }
            expected = &expected[expected.len() - coming.len() - come.len()..];
        }
        let unfinished = expected.len() > coming.len();
        assert_eq!(decoder.time_allowed().is_some(), unfinished);
    }
    Ok(())
}

/// Takes the first frame of a stream, if it is complete.
fn next(stream: &mut &[u8], longest_data: usize) -> Option<std::result::Result<Frame, DecodeError>> {
    let (header, rest) = stream.split_first_chunk::<HEADER_LEN>()?;
    let Header { version, session, command, length } = Header::decode(*header);
    if version != PROTOCOL_VERSION {
        return Some(Err(DecodeError::Version(version)));
    }
    if session != SESSION {
        return Some(Err(DecodeError::Session { theirs: session, ours: SESSION }));
    }
    let (data, rest) = rest.split_at_checked(length.into())?;
    *stream = rest;
    Some(Ok(frame(command, data, longest_data)))
}

fn frame(command: Command, data: &[u8], longest_data: usize) -> Frame {
    let frame = match data.get(..longest_data) {
        Some(kept) if kept.len() < data.len() => Frame::cut(command, kept.to_vec()),
        _ => Frame::new(command, data.to_vec()),
    };
    frame.expect("the data came in one frame")
}
