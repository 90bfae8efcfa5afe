//! The conf, from its first byte to the release of its task.

use synexec_proto::time::MonotonicInstant;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConfState {
    #[default]
    None,
    Receiving {
        /// Bytes that have not arrived yet.
        left: u64,
    },
    /// Its task is about to be held.
    Preparing,
    /// Its task is held.
    Held {
        /// The instant at which it starts once the master says GO.
        ordered: Option<MonotonicInstant>,
    },
    /// Its task was released, and can be held again.
    Spent,
}

/// The place of a piece in the conf that is being received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::slave) enum Part {
    /// No conf is being received.
    Unexpected,
    /// The conf would be longer than was announced.
    TooLong,
    /// More pieces follow.
    More,
    /// The conf is whole.
    Last,
}

impl ConfState {
    /// Takes a piece of this length.
    pub(super) fn receive(&mut self, length: usize) -> Part {
        let Self::Receiving { left } = self else { return Part::Unexpected };
        let Some(rest) = u64::try_from(length).ok().and_then(|length| left.checked_sub(length)) else {
            return Part::TooLong;
        };
        *left = rest;
        if rest == 0 { Part::Last } else { Part::More }
    }

    pub(super) fn is_held(self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// Whether its task is held, or about to be.
    pub(super) fn has_held_task(self) -> bool {
        matches!(self, Self::Preparing | Self::Held { .. })
    }

    /// Whether its task can be held again.
    pub(super) fn can_be_held_again(self) -> bool {
        matches!(self, Self::Held { .. } | Self::Spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conf_is_whole_with_just_the_bytes_that_were_announced() {
        let mut conf = ConfState::Receiving { left: 5 };
        assert_eq!([3, 0, 2].map(|length| conf.receive(length)), [Part::More, Part::More, Part::Last]);
        assert_eq!(ConfState::Receiving { left: 5 }.receive(6), Part::TooLong);
        assert_eq!(ConfState::Preparing.receive(1), Part::Unexpected);
    }
}
