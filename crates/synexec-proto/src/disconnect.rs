//! Why a connection ends.

use thiserror::Error;

use crate::message::{MessageError, Reason};
use crate::wire::DecodeError;

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Disconnect {
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// The operating system reports an error of the connection.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The peer speaks another protocol or belongs to another session.
    #[error(transparent)]
    Stranger(#[from] DecodeError),
    /// The data of a message do not have the layout of their command.
    #[error(transparent)]
    Malformed(#[from] MessageError),
    /// A message did not arrive whole in time.
    #[error("the peer began a message and did not finish it in time")]
    Stalled,
    /// The peer has said that the session is over.
    #[error("the peer has ended the session")]
    Left,
    /// The master does not let this slave take part in its session.
    #[error("the master has turned this slave away: {0}")]
    TurnedAway(Reason),
    /// The peer sends many more messages than it was asked for.
    #[error("the peer sends more than it was asked for")]
    Flooding,
    /// The peer does not read the messages sent to it.
    #[error("the peer has stopped reading")]
    NotReading,
    /// This side has a key, and the peer has shown none.
    #[error("the peer has shown no key; give both sides the same key with --key-file")]
    NoKey,
    /// The peer has another key than this side.
    #[error("the peer has another key; give both sides the same key with --key-file")]
    OtherKey,
    /// The peer has a key, and this side has none.
    #[error("the peer requires a key; give this side the same key with --key-file")]
    KeyWanted,
    /// The received bytes were not encrypted by the peer of the handshake.
    #[error("received data were not encrypted with the key")]
    Unsealed,
}

impl Disconnect {
    /// Whether the two sides do not have the same key: the user has to act.
    pub fn is_about_keys(&self) -> bool {
        matches!(self, Self::NoKey | Self::OtherKey | Self::KeyWanted)
    }

    /// Whether the master does not let this slave take part.
    pub fn is_turning_away(&self) -> bool {
        matches!(self, Self::TurnedAway(_))
    }

    /// The text of [`Self::of`] without the words "the connection broke", for a sentence that has said so.
    pub fn how(&self, peer: &str) -> String {
        if let Self::Broken(how) = self { how.clone() } else { self.of(peer) }
    }

    /// The text with the words "the slave" or "the master" for the peer, since users know no peers.
    pub fn of(&self, peer: &str) -> String {
        self.to_string().replacen("the peer", peer, 1)
    }

    /// Whether the peer may resume the connection: the connection has broken, and the peer did not end the session.
    /// Bytes that the peer did not encrypt prove nothing about the peer: anybody on the network can have sent them.
    pub fn may_return(&self) -> bool {
        matches!(self, Self::Closed | Self::Broken(_) | Self::Stalled | Self::Unsealed)
    }
}
