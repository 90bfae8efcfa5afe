//! Headers and invitations.

use synexec_proto::wire::{Command, HEADER_LEN, Header, PROTOCOL_VERSION, SessionId};

/// Any eleven bytes are a header, and the same bytes again.
pub fn header(data: &[u8]) {
    let Some(bytes) = data.first_chunk::<HEADER_LEN>() else { return };
    let header = Header::decode(*bytes);
    assert_eq!(header.encode(), *bytes);
    assert_eq!(Header::decode(header.encode()), header);
}

/// A datagram invites to the session that it names or to none, whatever follows its header.
pub fn probe(data: &[u8]) {
    let Some(bytes) = data.first_chunk::<HEADER_LEN>() else {
        return assert!((0..=9).all(|session| !Header::invites_to(data, SessionId(session))));
    };
    let header = Header::decode(*bytes);
    let invites = header.version == PROTOCOL_VERSION && header.command == Command::Probe;
    assert_eq!(Header::invites_to(data, header.session), invites);
    assert!(!Header::invites_to(data, SessionId(header.session.0.wrapping_add(1))));
}
