//! A message that has arrived.

use super::PeerId;
use super::awake::Now;
use synexec_proto::message::Message;
use synexec_proto::time::MonotonicInstant;

/// A message that has arrived.
#[derive(Debug)]
pub(super) struct Heard {
    /// When the session takes the message.
    pub(super) now: Now,
    pub(super) peer: PeerId,
    pub(super) message: Message,
    /// When the message arrived at this host.
    pub(super) at: MonotonicInstant,
}
