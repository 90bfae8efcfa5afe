//! One slave's clock, and the questions that measure it.

use std::time::Duration;

use super::PeerId;
use super::actions::Actions;
use super::awake::{AwakeInstant, Now};
use crate::clock::{ClockEstimate, ClockFilter, ClockSlip, Exchange};
use synexec_proto::message::{ClockProbe, ClockReply, Message};
use synexec_proto::time::MonotonicInstant;

/// Time between two questions to the same slave while the first one is not answered. A slave behind a long way is asked
/// without waiting for each round trip.
const UNANSWERED_PACE: Duration = Duration::from_millis(1);

/// Number of questions to a slave whose task has ended. Their answers only show whether the earlier measurement still
/// holds.
const AFTERWARDS: usize = 2;

/// Time that the master waits for the answers to the questions after the task.
const AFTERWARDS_TIME: Duration = Duration::from_secs(1);

/// Number of questions to all slaves together, if that gives each slave a number between [`FEWEST`] and [`MOST`].
const QUESTIONS: usize = 400;
const FEWEST: usize = 3;
const MOST: usize = 8;

/// One slave's clock.
#[derive(Debug, Default)]
pub(super) struct PeerClock {
    filter: ClockFilter,
    /// Number of questions that are still to be asked.
    to_ask: usize,
    /// When the unanswered questions were asked.
    asked: Vec<Now>,
    last_asked: Option<MonotonicInstant>,
    slowest: Duration,
}

impl PeerClock {
    /// Begins a measurement; the number of questions depends on the number of slaves.
    pub(super) fn question(&mut self, slaves: usize) {
        self.to_ask = (QUESTIONS / slaves.max(1)).clamp(FEWEST, MOST);
        self.slowest = Duration::ZERO;
    }

    /// Asks again after the task has ended.
    pub(super) fn ask_afterwards(&mut self, peer: PeerId, now: Now, actions: &mut Actions) {
        self.asked.clear();
        for _ in 0..AFTERWARDS {
            self.ask(peer, now, actions);
        }
    }

    /// How long the master waits for the answers to [`Self::ask_afterwards`]; none if it waits for none.
    pub(super) fn awaited_until(&self) -> Option<AwakeInstant> {
        self.asked.first().map(|asked| asked.awake.plus(AFTERWARDS_TIME))
    }

    /// Waits for no more answers.
    pub(super) fn give_up(&mut self) {
        self.asked.clear();
    }

    /// Takes an answer. Returns the slip, if the clock cannot have run evenly since the earlier measurement.
    pub(super) fn hear_afterwards(&mut self, now: Now, reply: ClockReply, at: MonotonicInstant) -> Option<ClockSlip> {
        let before = self.estimate(at)?;
        self.hear(now, reply, at);
        self.estimate(at)?.slip_since(before)
    }

    /// Whether all questions are answered.
    pub(super) fn is_measured(&self) -> bool {
        self.to_ask == 0 && self.asked.is_empty()
    }

    /// Takes an answer that arrived at this instant. An answer to no question is ignored.
    pub(super) fn hear(&mut self, now: Now, reply: ClockReply, at: MonotonicInstant) {
        let Some(index) = self.asked.iter().position(|asked| asked.monotonic == reply.sent) else { return };
        let asked = self.asked.remove(index);
        self.slowest = self.slowest.max(now.awake.since(asked.awake));
        let ClockReply { sent, received, replied } = reply;
        if let Some(sample) = (Exchange { sent, received, replied, arrived: at }).sample() {
            self.filter.add(sample);
        }
    }

    /// The estimate of the clock at an instant of the master's clock.
    pub(super) fn estimate(&self, at: MonotonicInstant) -> Option<ClockEstimate> {
        self.filter.estimate(at)
    }

    /// The longest time from a recent question to its answer, on the master's awake clock: an absence of the master says
    /// nothing about the slave.
    pub(super) fn slowest_answer(&self) -> Duration {
        self.slowest
    }

    /// When the next question is due, if there is one. Of two slaves that wait for a question, the one that was asked
    /// earlier comes first.
    pub(super) fn due_at(&self) -> Option<MonotonicInstant> {
        let unanswered = self.asked.last().map(|asked| asked.monotonic.plus(UNANSWERED_PACE));
        let due_at = unanswered.or(self.last_asked).unwrap_or(MonotonicInstant::from_nanos(0));
        (self.to_ask > 0).then_some(due_at)
    }

    /// Asks the next question.
    pub(super) fn ask(&mut self, peer: PeerId, now: Now, actions: &mut Actions) {
        self.to_ask = self.to_ask.saturating_sub(1);
        self.asked.push(now);
        self.last_asked = Some(now.monotonic);
        actions.send(peer, Message::ClockProbe(ClockProbe { sent: now.monotonic }));
    }
}
