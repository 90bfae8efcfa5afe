//! What is known of one slave's clock, and asking for more.

use std::time::Duration;

use super::PeerId;
use super::actions::Actions;
use super::awake::{AwakeInstant, Now};
use super::roster::{Awaited, Roster, Slave};
use crate::clock::{ClockEstimate, ClockFilter, ClockSlip, Exchange};
use synexec_proto::message::{ClockProbe, ClockReply, Feature, Message};
use synexec_proto::time::MonotonicInstant;

/// Pause between two questions, whomever they are for: side by side, but not so close that they wait for one another and
/// measure their own queue.
const PACE: Duration = Duration::from_micros(60);

/// Pause between two questions to the same slave while the first is not answered: one that is far is not asked one round
/// trip after another.
const UNANSWERED_PACE: Duration = Duration::from_millis(1);

/// How many questions are asked at once of a slave whose task has ended, and how long their answers are waited for: they
/// only show whether what was measured before still holds.
const AFTERWARDS: usize = 2;
const AFTERWARDS_TIME: Duration = Duration::from_secs(1);

/// Questions to all slaves together, where that gives each a number between these.
const QUESTIONS: usize = 400;
const FEWEST: usize = 3;
const MOST: usize = 8;

/// One slave's clock.
#[derive(Debug, Default)]
pub(super) struct PeerClock {
    filter: ClockFilter,
    to_ask: usize,
    /// When the questions were asked that are not answered yet.
    asked: Vec<Now>,
    slowest: Duration,
}

impl PeerClock {
    /// Has questions asked from now on, of one slave among so many.
    pub(super) fn question(&mut self, slaves: usize) {
        self.to_ask = (QUESTIONS / slaves.max(1)).clamp(FEWEST, MOST);
        self.slowest = Duration::ZERO;
    }

    /// Asks once more when the task has ended.
    pub(super) fn ask_afterwards(&mut self, peer: PeerId, now: Now, actions: &mut Actions) {
        self.asked.clear();
        for _ in 0..AFTERWARDS {
            self.ask(peer, now, actions);
        }
    }

    /// Until when the answers to that are waited for.
    pub(super) fn awaited_until(&self) -> Option<AwakeInstant> {
        self.asked.first().map(|asked| asked.awake.plus(AFTERWARDS_TIME))
    }

    /// Does not wait for answers any more.
    pub(super) fn give_up(&mut self) {
        self.asked.clear();
    }

    /// Takes an answer, and tells where the clock cannot have gone evenly since it was measured before.
    pub(super) fn hear_afterwards(&mut self, now: Now, reply: ClockReply, at: MonotonicInstant) -> Option<ClockSlip> {
        let before = self.estimate(at)?;
        self.hear(now, reply, at);
        self.estimate(at)?.slip_since(before)
    }

    /// Whether all questions are answered.
    pub(super) fn is_measured(&self) -> bool {
        self.to_ask == 0 && self.asked.is_empty()
    }

    /// Takes an answer that arrived at an instant, if it is to what was asked.
    pub(super) fn hear(&mut self, now: Now, reply: ClockReply, at: MonotonicInstant) {
        let Some(index) = self.asked.iter().position(|asked| asked.monotonic == reply.sent) else { return };
        let asked = self.asked.remove(index);
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
        self.slowest
    }

    /// When the next question is due, if there is one; none of the past is any better than another.
    fn due_at(&self) -> Option<MonotonicInstant> {
        let after_last = self.asked.last().map(|asked| asked.monotonic.plus(UNANSWERED_PACE));
        (self.to_ask > 0).then(|| after_last.unwrap_or(MonotonicInstant::from_nanos(0)))
    }

    fn ask(&mut self, peer: PeerId, now: Now, actions: &mut Actions) {
        self.to_ask = self.to_ask.saturating_sub(1);
        self.asked.push(now);
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
        roster.iter().filter_map(due_at).min().map(|due| due.max(self.next_at))
    }

    /// Asks the next slave, if it is time.
    pub(super) fn advance<S: Awaited>(&mut self, now: Now, roster: &mut Roster<S>, actions: &mut Actions) {
        if now.monotonic < self.next_at {
            return;
        }
        for step in 0..roster.len() {
            let index = (self.next + step) % roster.len();
            if let Some(slave) =
                roster.at_mut(index).filter(|slave| due_at(slave).is_some_and(|due| now.monotonic >= due))
            {
                slave.member.clock.ask(slave.member.peer, now, actions);
                self.next = index + 1;
                self.next_at = now.monotonic.plus(PACE);
                return;
            }
        }
    }
}

fn due_at<S: Awaited>(slave: &Slave<S>) -> Option<MonotonicInstant> {
    slave.member.clock.due_at().filter(|_| !slave.is_settled())
}

/// Has the clocks asked of all slaves that can be.
pub(super) fn question_all<S>(roster: &mut Roster<S>) {
    let slaves = roster.len();
    for slave in roster.iter_mut().filter(|slave| slave.member.has(Feature::Start)) {
        slave.member.clock.question(slaves);
    }
}
