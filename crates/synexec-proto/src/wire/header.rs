//! The header: 11 bytes before the data of every message, on UDP and TCP alike.

use std::fmt;

use super::{Command, WireInteger};

/// Bytes of a header.
pub const HEADER_LEN: usize = 11;

/// The only version of the protocol.
pub const PROTOCOL_VERSION: u32 = 1;

/// The session that a message belongs to. A program talks to peers of its own session only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SessionId(pub u32);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A header: version and session (u32, big-endian), command (u8), length of the data that follow (u16, big-endian).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Protocol version of the sender.
    pub version: u32,
    /// Session of the sender.
    pub session: SessionId,
    /// Command of the message.
    pub command: Command,
    /// Bytes of data after the header.
    pub length: u16,
}

impl Header {
    /// A header of this protocol version.
    pub fn new(session: SessionId, command: Command, length: u16) -> Self {
        Self { version: PROTOCOL_VERSION, session, command, length }
    }

    /// The header as it crosses the network.
    pub fn encode(self) -> [u8; HEADER_LEN] {
        let [v0, v1, v2, v3] = self.version.to_wire();
        let [s0, s1, s2, s3] = self.session.0.to_wire();
        let [l0, l1] = self.length.to_wire();
        [v0, v1, v2, v3, s0, s1, s2, s3, self.command.into(), l0, l1]
    }

    /// Reads a header. Any 11 bytes are a header; the caller checks version and session.
    pub fn decode(bytes: [u8; HEADER_LEN]) -> Self {
        let [v0, v1, v2, v3, s0, s1, s2, s3, command, l0, l1] = bytes;
        Self {
            version: u32::from_wire([v0, v1, v2, v3]),
            session: SessionId(u32::from_wire([s0, s1, s2, s3])),
            command: command.into(),
            length: u16::from_wire([l0, l1]),
        }
    }

    /// Whether a datagram invites to `session`: its first 11 bytes are the header of a PROBE. A datagram may be longer, as
    /// the original program allows.
    pub fn invites_to(datagram: &[u8], session: SessionId) -> bool {
        datagram.first_chunk::<HEADER_LEN>().is_some_and(|bytes| {
            let header = Self::decode(*bytes);
            header.version == PROTOCOL_VERSION && header.session == session && header.command == Command::Probe
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes() {
        let header = Header::new(SessionId(0x1234_5678), Command::Conf, 0x22);
        let bytes = [0, 0, 0, 1, 0x12, 0x34, 0x56, 0x78, 2, 0, 0x22];
        assert_eq!(header.encode(), bytes);
        assert_eq!(Header::decode(bytes), header);
    }

    #[test]
    fn an_invitation_is_a_probe_of_this_version_and_session() {
        let session = SessionId(7);
        let probe = Header::new(session, Command::Probe, 0).encode();
        assert!(Header::invites_to(&probe, session));
        assert!(Header::invites_to(&[&probe[..], b"more"].concat(), session));
        assert!(!Header::invites_to(&probe[..10], session));
        assert!(!Header::invites_to(&probe, SessionId(8)));
        assert!(!Header::invites_to(&Header::new(session, Command::Reply, 0).encode(), session));
        let other_version = Header { version: 2, ..Header::new(session, Command::Probe, 0) };
        assert!(!Header::invites_to(&other_version.encode(), session));
    }

    proptest! {
        #[test]
        fn any_eleven_bytes_survive_the_round_trip(bytes: [u8; HEADER_LEN]) {
            prop_assert_eq!(Header::decode(bytes).encode(), bytes);
        }
    }
}
