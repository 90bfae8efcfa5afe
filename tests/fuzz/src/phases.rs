//! The phases of a session as its notices show them. No phase is skipped.

use synexec_proto::message::Message;
use synexec_session::master::Notice;

/// The phase that the last notice shows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    #[default]
    Joining,
    Configuring,
    Starting,
    Executing,
    Fetching,
}

impl Phase {
    /// Follows a notice, and checks that it belongs to this phase or the next.
    pub fn tell(&mut self, notice: &Notice) {
        let (from, to): (&[Self], Self) = match notice {
            Notice::Joined { .. } | Notice::Dropped { .. } | Notice::GaveUp { .. } => (&[Self::Joining], Self::Joining),
            Notice::Configuring { .. } => (&[Self::Joining], Self::Configuring),
            Notice::NextRound { .. } => (&[Self::Executing, Self::Fetching], Self::Configuring),
            Notice::Accepted { .. } | Notice::ConfFailed { .. } => (&[Self::Configuring], Self::Configuring),
            Notice::Starting { .. } => (&[Self::Configuring, Self::Starting], Self::Starting),
            Notice::Ready { .. } | Notice::Postponed => (&[Self::Starting], Self::Starting),
            Notice::GoSent { .. } => (&[Self::Starting, Self::Configuring], Self::Executing),
            Notice::Started { .. } | Notice::Ended { .. } | Notice::Stopping { .. } | Notice::Progress { .. } => {
                (&[Self::Executing], Self::Executing)
            }
            Notice::Fetching { .. } => (&[Self::Executing], Self::Fetching),
            Notice::CalledOff => (&[Self::Configuring, Self::Starting], *self),
            _ => (&[*self], *self),
        };
        assert!(from.contains(self), "{notice:?} while {self:?}");
        *self = to;
    }

    /// Whether the master may send this message to a member in this phase.
    pub fn allows(self, message: &Message, live: bool) -> bool {
        match message {
            Message::Hold(_) => self == Self::Configuring,
            // The master also measures the clock when a task has ended.
            Message::ClockProbe(_) => self <= Self::Executing,
            Message::Exec(Some(_)) | Message::Go => self == Self::Starting,
            // Originals receive EXEC after all others, just before the instant.
            Message::Exec(None) | Message::Stop => self == Self::Executing,
            Message::Fetch(_) => self == Self::Fetching || live && self == Self::Executing,
            _ => true,
        }
    }
}
