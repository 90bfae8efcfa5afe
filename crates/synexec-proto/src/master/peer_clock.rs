//! What is known of one slave's clock and of the way to it, and asking for more.

use std::time::Duration;

use super::PeerId;
use super::actions::Actions;
use super::awake::Now;
use super::roster::{Awaited, Roster, Slave};
use crate::clock::{ClockEstimate, ClockFilter, Exchange};
use crate::message::{ClockProbe, ClockReply, Feature, Message};
use crate::time::MonotonicInstant;

/// Pause between two questions, whomever they are for: side by side, but not so close that they wait for one another and
/// measure their own queue.
const PACE: Duration = Duration::from_micros(60);

/// Questions to a slave before each start.
pub(super) const QUESTIONS: u32 = 3;

/// One slave's clock.
#[derive(Debug, Default)]
pub(super) struct PeerClock {
    filter: ClockFilter,
    questions_left: u32,
    /// When the question was asked that is to be answered next.
    asked: Option<Now>,
    round_trip: Option<Duration>,
    slowest: Duration,
}

impl PeerClock {
    /// A clock that cannot be asked, of a slave whose answer to a probe took this long.
    pub(super) fn with_round_trip(round_trip: Duration) -> Self {
        Self { round_trip: Some(round_trip), ..Self::default() }
    }

    /// Has so many questions asked from now on.
    pub(super) fn question(&mut self, count: u32) {
        self.questions_left = count;
        self.slowest = Duration::ZERO;
    }

    /// Whether all questions are answered.
    pub(super) fn is_measured(&self) -> bool {
        self.questions_left == 0
    }

    /// Takes an answer that arrived at an instant, if it is to what was asked.
    pub(super) fn hear(&mut self, now: Now, reply: ClockReply, at: MonotonicInstant) {
        let Some(asked) = self.asked.take_if(|asked| asked.monotonic == reply.sent) else { return };
        self.questions_left = self.questions_left.saturating_sub(1);
        self.slowest = self.slowest.max(now.awake.since(asked.awake));
        let ClockReply { sent, received, replied } = reply;
        if let Some(sample) = (Exchange { sent, received, replied, arrived: at }).sample() {
            self.filter.add(sample);
        }
    }

    /// What is known of the clock at an instant of ours.
    pub(super) fn estimate(&self, at: MonotonicInstant) -> Option<ClockEstimate> {
        self.filter.estimate(at)
    }

    /// Longest time that an answer took lately, from question to hearing it, as the master lives it: its own absence
    /// says nothing of the slave.
    pub(super) fn slowest_answer(&self) -> Duration {
        self.slowest.max(self.round_trip.unwrap_or_default())
    }

    /// Time that an order is on its way: half the least round trip.
    pub(super) fn one_way(&self) -> Duration {
        self.round_trip.unwrap_or_default() / 2
    }

    fn is_due(&self) -> bool {
        self.questions_left > 0 && self.asked.is_none()
    }

    fn ask(&mut self, peer: PeerId, now: Now, actions: &mut Actions) {
        self.asked = Some(now);
        actions.send(peer, Message::ClockProbe(ClockProbe { sent: now.monotonic }));
    }
}

/// Asks slave after slave, in turn.
#[derive(Debug)]
pub(super) struct Inquiry {
    next_at: MonotonicInstant,
    next: usize,
}

impl Inquiry {
    /// An inquiry that begins at once.
    pub(super) fn new(now: Now) -> Self {
        Self { next_at: now.monotonic, next: 0 }
    }

    /// When there is somebody to ask.
    pub(super) fn deadline<S: Awaited>(&self, roster: &Roster<S>) -> Option<MonotonicInstant> {
        roster.iter().any(is_due).then_some(self.next_at)
    }

    /// Asks the next slave, if it is time.
    pub(super) fn advance<S: Awaited>(&mut self, now: Now, roster: &mut Roster<S>, actions: &mut Actions) {
        if now.monotonic < self.next_at {
            return;
        }
        for step in 0..roster.len() {
            let index = (self.next + step) % roster.len();
            if let Some(slave) = roster.at_mut(index).filter(|slave| is_due(slave)) {
                slave.member.clock.ask(slave.member.peer, now, actions);
                self.next = index + 1;
                self.next_at = now.monotonic.plus(PACE);
                return;
            }
        }
    }
}

fn is_due<S: Awaited>(slave: &Slave<S>) -> bool {
    slave.member.clock.is_due() && !slave.state.is_settled()
}

/// Has the clocks asked of all slaves that can be.
pub(super) fn question_all<S>(roster: &mut Roster<S>) {
    for slave in roster.iter_mut().filter(|slave| slave.member.has(Feature::Start)) {
        slave.member.clock.question(QUESTIONS);
    }
}
