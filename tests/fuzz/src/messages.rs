//! Messages and the capability block.

use synexec_proto::message::{Capabilities, Features, Message};
use synexec_proto::text::TEXT_MAX;
use synexec_proto::wire::{Command, FieldReader, Frame};

use synexec_sim::block_with_features;

/// Decodes any data of any command with all features agreed, with none, and with some. The first byte of the input is
/// the command; the last byte selects the features.
pub fn message(data: &[u8]) {
    let [code, data @ .., some] = data else { return };
    let Ok(frame) = Frame::new(Command::from(*code), data.to_vec()) else { return };
    for agreed in [Features::ours(), Features::NONE, features((*some).into())] {
        if let Ok(message) = Message::decode(frame.clone(), agreed) {
            assert_round_trip(&message, agreed);
        }
    }
    if let Ok(cut) = Frame::cut(Command::from(*code), data.to_vec())
        && let Ok(message) = Message::decode(cut, Features::ours())
    {
        assert_round_trip(&message, Features::ours());
    }
    assert!(FieldReader::new(data).filter(Result::is_err).count() <= 1);
}

/// Checks that a decoded message is encoded, and decoded as the same message.
pub fn assert_round_trip(message: &Message, agreed: Features) {
    let written = message.encode().expect("the message came in one frame");
    let read = Message::decode(written.clone(), agreed).expect("our own encoding is valid");
    assert_eq!(read, *message);
    assert_eq!(read.encode(), Ok(written));
}

/// The frame of a message that one of our state machines sends. Checks that decoding and encoding it again gives the
/// same bytes.
pub fn canonical_frame(message: &Message) -> Frame {
    let written = message.encode().expect("the message fits into a frame");
    let read = Message::decode(written.clone(), Features::ours()).expect("our own encoding is valid");
    assert_eq!(read.encode().as_ref(), Ok(&written), "{message:?}");
    written
}

/// The features of this release that these bits announce.
pub fn features(bits: u64) -> Features {
    Features::ours().agreed_with(block_with_features(bits).features)
}

/// Decodes any capability block of any revision.
pub fn capabilities(data: &[u8]) {
    match Capabilities::decode(data) {
        Err(_) => assert!(data.starts_with(b"SYNX")),
        Ok(None) => assert!(!data.starts_with(b"SYNX")),
        Ok(Some(block)) => {
            assert!(block.name.chars().count() <= TEXT_MAX && !block.name.contains(char::is_control));
            let agreed = Features::ours().agreed_with(block.features);
            assert_eq!(agreed.agreed_with(Features::ours()), agreed);
            let written = Capabilities::encode(Some(&block));
            assert_eq!(Capabilities::decode(&written), Ok(Some(block)));
        }
    }
}
