//! Headers and invitations.

use synexec_proto::wire::{Command, HEADER_LEN, Header, PROTOCOL_VERSION, SessionId};

/// Checks that any eleven bytes decode as a header and encode to the same bytes.
pub fn header(data: &[u8]) {
    let Some(bytes) = data.first_chunk::<HEADER_LEN>() else { return };
    let header = Header::decode(*bytes);
    assert_eq!(header.encode(), *bytes);
    assert_eq!(Header::decode(header.encode()), header);
}

/// Checks that a datagram invites to its own session or to none, whatever follows the header.
pub fn probe(data: &[u8]) {
    let Some(bytes) = data.first_chunk::<HEADER_LEN>() else {
        return assert!((0..=9).all(|session| !Header::invites_to(data, SessionId(session))));
    };
    let header = Header::decode(*bytes);
    let invites = header.version == PROTOCOL_VERSION && header.command == Command::Probe;
    assert_eq!(Header::invites_to(data, header.session), invites);
    assert!(!Header::invites_to(data, SessionId(header.session.0.wrapping_add(1))));
}
