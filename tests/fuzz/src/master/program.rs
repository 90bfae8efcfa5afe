//! The acts of the master's program for its session, real or only claimed.

use arbitrary::{Arbitrary, Result};
use synexec_session::master::{Event, OutputId, PeerId};

use super::Trial;
use crate::draw::{self, Input};

impl Trial {
    /// The program does everything that the session waits for.
    pub(super) fn run_dispatcher(&mut self) {
        while let Some(peer) = self.confs.pop_front() {
            self.handle(Event::ConfSent { peer });
        }
        while let Some(answer) = self.stores.pop_front() {
            self.handle(answer);
        }
    }

    pub(super) fn store_or_not(&mut self, input: &mut Input<'_>) -> Result<()> {
        let (round, rank) = (input.int_in_range(0..=3)?, input.int_in_range(0..=4)?);
        let id = OutputId { round, rank, stream: draw::stream(input)? };
        let answer = self.stores.pop_front().unwrap_or(Event::OutputStored { id });
        let is_done = bool::arbitrary(input)?;
        self.has_failed |= !is_done;
        self.handle(match answer {
            Event::OutputStored { id } | Event::OutputDiffers { id } if !is_done => {
                Event::OutputFailed { id, why: "no such directory".into() }
            }
            answer => answer,
        });
        Ok(())
    }

    pub(super) fn fail_or_report(&mut self, input: &mut Input<'_>) -> Result<()> {
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
