//! Slaves before the start. A slave that declines or is lost calls the session off for all.

use super::actions::Actions;
use super::awake::Now;
use super::limits::Unanswered;
use super::member::Member;
use super::roster::{Awaited, Roster, Slave, SlaveMut};
use super::{Loss, Notice, Outcome, PeerId, Row, SlaveLabel};
use synexec_proto::message::Reason;
use synexec_proto::time::MonotonicInstant;

/// The state of a slave in a phase before the start.
#[derive(Debug)]
pub(super) struct BeforeStart<S> {
    pub(super) step: S,
    /// The slave's final outcome, if it declined or was lost.
    failure: Option<Outcome>,
}

/// How far a slave is on its way to the start.
pub(super) trait Step {
    /// What the phase counts.
    type Stage: Copy + Ord;

    /// The stage of a slave in this step.
    fn stage(&self) -> Self::Stage;

    /// The request that the slave has to answer, if there is one.
    fn unanswered(&self) -> Option<Unanswered>;
}

impl<S: Step> Awaited for BeforeStart<S> {
    /// None if the slave has failed.
    type Stage = Option<S::Stage>;

    fn stage(slave: &Slave<Self>) -> Self::Stage {
        (!slave.state.has_failed()).then(|| slave.state.step.stage())
    }

    fn is_settled(&self) -> bool {
        self.has_failed()
    }

    fn unanswered(&self) -> Option<Unanswered> {
        self.step.unanswered()
    }

    fn turn_at(slave: &Slave<Self>) -> Option<MonotonicInstant> {
        slave.member.clock.due_at().filter(|_| !slave.state.has_failed())
    }
}

impl<S> BeforeStart<S> {
    /// Whether the slave declined or was lost.
    fn has_failed(&self) -> bool {
        self.failure.is_some()
    }
}

impl<S: Step> Roster<BeforeStart<S>> {
    /// The roster of a phase, with the first step of each slave.
    pub(super) fn before_start(members: Vec<Member>, mut step: impl FnMut(&Member) -> S) -> Self {
        Self::new(members, |member| BeforeStart { step: step(member), failure: None })
    }

    /// The slave that has said something, unless it has failed.
    pub(super) fn candidate(&mut self, peer: PeerId) -> Option<SlaveMut<'_, BeforeStart<S>>> {
        self.get_mut(peer).filter(|slave| !slave.state.has_failed())
    }

    /// Whether no slave has failed, and all slaves are in such a stage.
    pub(super) fn all_are(&self, is_counted: impl Fn(S::Stage) -> bool) -> bool {
        self.all(|stage| stage.is_some_and(&is_counted))
    }

    /// Whether a slave has failed.
    pub(super) fn has_failure(&self) -> bool {
        self.any(Option::is_none)
    }

    /// Takes note that a slave has declined. Returns whether this is news.
    pub(super) fn decline(&mut self, peer: PeerId, reason: Option<Reason>, actions: &mut Actions) -> bool {
        let outcome = Outcome::Declined(reason.clone());
        self.fail(peer, outcome, actions, |slave| Notice::Declined { slave, reason })
    }

    /// Takes note that a slave is lost. Returns whether this is news.
    pub(super) fn lose(&mut self, peer: PeerId, outcome: Outcome, why: Loss, actions: &mut Actions) -> bool {
        self.fail(peer, outcome, actions, |slave| Notice::Lost { slave, why })
    }

    /// Ends the session before any task was started.
    pub(super) fn into_rows(self, now: Now, actions: &mut Actions) -> Vec<Row> {
        actions.tell(Notice::CalledOff);
        let row = |slave: Slave<BeforeStart<S>>| {
            if slave.state.failure.is_none() {
                slave.member.part(actions);
            }
            slave.member.row(slave.state.failure.unwrap_or(Outcome::Cancelled), now.monotonic)
        };
        self.into_slaves().into_iter().map(row).collect()
    }

    fn fail(
        &mut self,
        peer: PeerId,
        outcome: Outcome,
        actions: &mut Actions,
        notice: impl FnOnce(SlaveLabel) -> Notice,
    ) -> bool {
        let Some(mut slave) = self.candidate(peer) else { return false };
        slave.state.failure = Some(outcome);
        actions.tell(notice(slave.member.label.clone()));
        slave.member.part(actions);
        true
    }
}
