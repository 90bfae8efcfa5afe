//! Asking the clocks of all slaves, slave after slave.

use std::time::Duration;

use super::actions::Actions;
use super::awake::Now;
use super::before_start::{BeforeStart, Step};
use super::roster::Roster;
use synexec_proto::message::Feature;
use synexec_proto::time::MonotonicInstant;

/// Time between two questions to any slaves. Questions to different slaves run side by side, but not so close together
/// that they wait for one another and measure their own queue.
const PACE: Duration = Duration::from_micros(60);

/// Asks the clocks of all slaves, slave after slave.
#[derive(Debug)]
pub(super) struct Inquiry {
    next_at: MonotonicInstant,
}

impl Inquiry {
    /// An inquiry that begins at once.
    pub(super) fn new(now: Now) -> Self {
        Self { next_at: now.monotonic }
    }

    /// When the next question is due.
    pub(super) fn deadline<S: Step>(&self, roster: &Roster<BeforeStart<S>>) -> Option<MonotonicInstant> {
        roster.next_turn_at().map(|due| due.max(self.next_at))
    }

    /// Asks the next slave, if it is time.
    pub(super) fn advance<S: Step>(&mut self, now: Now, roster: &mut Roster<BeforeStart<S>>, actions: &mut Actions) {
        if now.monotonic < self.next_at {
            return;
        }
        if let Some(mut slave) = roster.next_in_turn(now.monotonic) {
            let peer = slave.member.peer;
            slave.member.clock.ask(peer, now, actions);
            self.next_at = now.monotonic.plus(PACE);
        }
    }
}

/// Begins a measurement of every clock that can be measured.
pub(super) fn question_all<S: Step>(roster: &mut Roster<BeforeStart<S>>) {
    let slaves = roster.len();
    roster.for_each_mut(|slave| {
        if slave.member.has(Feature::Start) {
            slave.member.clock.question(slaves);
        }
    });
}
