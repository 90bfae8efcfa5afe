//! A slave that takes part in the session.

use std::time::Duration;

use super::actions::Actions;
use super::{Loss, Outcome, PeerId, PhaseName, Row, RunTimes, SlaveLabel};
use crate::liveness::{Liveness, Pulse};
use crate::message::{Feature, Features, Message};
use crate::time::MonotonicInstant;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) rank: u32,
    pub(super) peer: PeerId,
    pub(super) label: SlaveLabel,
    pub(super) features: Features,
    pub(super) liveness: Liveness,
}

impl Member {
    pub(super) fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    pub(super) fn row(self, outcome: Outcome, times: Option<RunTimes>) -> Row {
        Row { rank: self.rank, slave: self.label, times, outcome }
    }

    /// Asks the slave whether it is there when that is due; tells when it has not answered.
    pub(super) fn check(&mut self, now: MonotonicInstant, actions: &mut Actions) -> Option<Loss> {
        match self.liveness.check(now) {
            Pulse::Fine => None,
            Pulse::Probe => {
                actions.send(self.peer, Message::Probe(None));
                None
            }
            Pulse::Lost => Some(Loss::Silent(self.liveness.silence(now))),
        }
    }
}

/// An order that a slave has to answer, and until when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unanswered {
    since: MonotonicInstant,
    limit: Duration,
}

impl Unanswered {
    pub(super) fn new(since: MonotonicInstant, limit: Duration) -> Self {
        Self { since, limit }
    }

    pub(super) fn deadline(self) -> MonotonicInstant {
        self.since.plus(self.limit)
    }

    pub(super) fn check(self, now: MonotonicInstant) -> Option<Loss> {
        (now >= self.deadline()).then_some(Loss::NoAnswer(self.limit))
    }
}

/// The start of a phase, from which "lost after" is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhaseStart {
    pub(super) phase: PhaseName,
    pub(super) at: MonotonicInstant,
}

impl PhaseStart {
    pub(super) fn lost(self, now: MonotonicInstant, why: Loss) -> Outcome {
        Outcome::Lost { phase: self.phase, after: now.since(self.at), why }
    }
}
