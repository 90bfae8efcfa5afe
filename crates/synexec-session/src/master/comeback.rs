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
    /// What the master announces on the new connection.
    pub(super) ours: Capabilities,
}
