//! What the master's program does for its session, or says that it has done.

use arbitrary::{Arbitrary, Result};
use synexec_session::master::{Event, OutputId, PeerId};

use super::Trial;
use crate::draw::Input;

impl Trial {
    /// The program does what the session waits for.
    pub(super) fn dispatcher_works(&mut self) {
        while let Some(peer) = self.confs.pop_front() {
            self.handle(Event::ConfSent { peer });
        }
        while let Some(id) = self.stores.pop_front() {
            self.handle(Event::OutputStored { id });
        }
    }

    pub(super) fn store_or_not(&mut self, input: &mut Input<'_>) -> Result<()> {
        let id = OutputId { round: input.int_in_range(0..=3)?, rank: input.int_in_range(0..=4)? };
        let is_stored = bool::arbitrary(input)?;
        self.has_failed |= !is_stored;
        let id = self.stores.pop_front().unwrap_or(id);
        self.handle(if is_stored {
            Event::OutputStored { id }
        } else {
            Event::OutputFailed { id, why: "no such directory".into() }
        });
        Ok(())
    }

    pub(super) fn fails(&mut self, input: &mut Input<'_>) -> Result<()> {
        let peer = PeerId(self.peer(input)?);
        let event = match input.int_in_range(0..=4)? {
            0 => Event::ConfFailed { why: "gone".into() },
            1 => Event::OutputsFailed { why: "disk full".into() },
            2 => Event::NoRoom,
            _ => Event::ConfSent { peer },
        };
        self.has_failed |= matches!(event, Event::ConfFailed { .. } | Event::OutputsFailed { .. });
        self.handle(event);
        Ok(())
    }
}
