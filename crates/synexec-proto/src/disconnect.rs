//! Why a connection ends.

use thiserror::Error;

use crate::message::MessageError;
use crate::wire::DecodeError;

/// Why a connection is of no further use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Disconnect {
    /// The peer closed it.
    #[error("it closed the connection")]
    Closed,
    /// The operating system gave it up.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// What came is not of this protocol or session.
    #[error(transparent)]
    Stranger(#[from] DecodeError),
    /// A message had the wrong layout.
    #[error(transparent)]
    Malformed(#[from] MessageError),
    /// A message had begun and did not end in time.
    #[error("it began a message and did not finish it in time")]
    Stalled,
    /// It has said that the session is over for it.
    #[error("it has left the session")]
    Left,
    /// It sends much more than it was asked for.
    #[error("it sends more than it was asked for")]
    Flooding,
    /// It does not take what is sent to it.
    #[error("it has stopped reading")]
    NotReading,
    /// We have a key, and it has shown none.
    #[error("it has shown no key; give both sides the same with --key-file")]
    NoKey,
    /// We have a key, and it has another one.
    #[error("its key is another one; give both sides the same with --key-file")]
    OtherKey,
    /// It has a key, and we have none.
    #[error("it asks for a key; give this side the same with --key-file")]
    KeyWanted,
    /// What came was not sealed by who shook hands.
    #[error("what came was not sealed with the key")]
    Unsealed,
}

impl Disconnect {
    /// Whether the two sides do not have the same key, which somebody has to see to.
    pub fn is_about_keys(&self) -> bool {
        matches!(self, Self::NoKey | Self::OtherKey | Self::KeyWanted)
    }

    /// The same, where it is said already that the connection broke.
    pub fn how(&self) -> String {
        if let Self::Broken(how) = self { how.clone() } else { self.to_string() }
    }

    /// Whether the peer may come back: its connection has broken, and it is not the peer that ended it. What was not
    /// sealed by the peer is not the peer's word: anybody on its way can have slipped it in.
    pub fn may_return(&self) -> bool {
        matches!(self, Self::Closed | Self::Broken(_) | Self::Stalled | Self::Unsealed)
    }
}
