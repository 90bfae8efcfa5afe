//! A slave that connects anew because its connection has broken.

use super::PeerId;
use super::awake::Now;
use synexec_proto::message::{Capabilities, ResumeToken};

/// A slave that connects anew because its connection has broken.
#[derive(Debug)]
pub(super) struct Comeback {
    pub(super) now: Now,
    /// The new connection.
    pub(super) peer: PeerId,
    /// The token by which the slave shows that it belongs to this session.
    pub(super) token: ResumeToken,
    /// What the master announces on the new connection; none if it has announced it already.
    pub(super) ours: Option<Capabilities>,
}

/// The connection of a slave that says on a second one that it takes part.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstConnection {
    pub(super) peer: PeerId,
    /// Whether the master has no reason to doubt this connection.
    pub(super) is_trusted: bool,
}
