//! The time within which a slave has to answer a request, and the time since a phase began.

use std::time::Duration;

use super::awake::AwakeInstant;
use super::{Loss, Outcome, PhaseName};

/// A request that a slave has to answer within a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unanswered {
    since: AwakeInstant,
    limit: Duration,
}

impl Unanswered {
    pub(super) fn new(since: AwakeInstant, limit: Duration) -> Self {
        Self { since, limit }
    }

    pub(super) fn deadline(self) -> AwakeInstant {
        self.since.plus(self.limit)
    }

    /// The loss of the slave, if the limit is over.
    pub(super) fn check(self, now: AwakeInstant) -> Option<Loss> {
        (now >= self.deadline()).then_some(Loss::NoAnswer(self.limit))
    }
}

/// The beginning of a phase. Reports tell how long after it a slave was lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhaseStart {
    pub(super) phase: PhaseName,
    pub(super) at: AwakeInstant,
}

impl PhaseStart {
    /// The outcome of a slave that is lost now.
    pub(super) fn lost(self, now: AwakeInstant, why: Loss) -> Outcome {
        Outcome::Lost { phase: self.phase, after: now.since(self.at), why }
    }
}
