//! Configuring: the conf goes to every slave at once, and every slave has to accept it.

use std::time::Duration;

use super::actions::Actions;
use super::member::{Member, PhaseStart, Unanswered};
use super::{Action, Loss, Notice, Outcome, PeerId, PhaseName, Report, Settings, Verdict};
use crate::message::{ConfBegin, Feature, Features, Message, Reason};
use crate::session::Disconnect;
use crate::time::MonotonicInstant;
use crate::wire::DATA_MAX;

/// Once one slave has declined or is lost, the others have this long to say what they have to say.
const GATHER_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Configuring {
    settings: Settings,
    start: PhaseStart,
    slaves: Vec<Candidate>,
    call_off_at: Option<MonotonicInstant>,
}

#[derive(Debug)]
struct Candidate {
    member: Member,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Sending,
    Pending(Unanswered),
    Accepted,
    Failed(Outcome),
}

impl Configuring {
    pub(super) fn begin(
        settings: Settings,
        members: Vec<Member>,
        now: MonotonicInstant,
        actions: &mut Actions,
    ) -> Self {
        let slaves = members.into_iter().map(|member| Candidate { member, answer: Answer::Sending }).collect();
        let start = PhaseStart { phase: PhaseName::Configuring, at: now };
        let mut phase = Self { settings, start, slaves, call_off_at: None };
        actions.tell(Notice::Configuring { slaves: phase.slaves.len() });
        phase.refuse_for_originals(now, actions);
        if phase.call_off_at.is_none() {
            phase.send_conf(actions);
        }
        phase
    }

    /// What is agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        let slave = self.slaves.iter().find(|slave| slave.member.peer == peer);
        slave.map_or(Features::NONE, |slave| slave.member.features)
    }

    pub(super) fn received(&mut self, now: MonotonicInstant, peer: PeerId, message: Message, actions: &mut Actions) {
        let Some(slave) = self.find(peer) else { return };
        slave.member.liveness.heard(now);
        if !matches!(slave.answer, Answer::Sending | Answer::Pending(_)) {
            return;
        }
        match message {
            Message::ConfOk => {
                slave.member.liveness.resume(now);
                slave.answer = Answer::Accepted;
                actions.tell(Notice::Accepted { slave: slave.member.label.clone() });
            }
            Message::ConfNo(reason) => self.decline(now, peer, reason, actions),
            _ => {}
        }
    }

    pub(super) fn conf_sent(&mut self, now: MonotonicInstant, peer: PeerId) {
        let limit = self.settings.lost_after;
        if let Some(slave) = self.find(peer)
            && matches!(slave.answer, Answer::Sending)
        {
            slave.member.liveness.resume(now);
            slave.answer = Answer::Pending(Unanswered::new(now, limit));
        }
    }

    pub(super) fn disconnected(&mut self, now: MonotonicInstant, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        self.lose(now, peer, Loss::Disconnected(why), actions);
    }

    pub(super) fn advance(&mut self, now: MonotonicInstant, actions: &mut Actions) {
        let mut lost = Vec::new();
        for slave in self.slaves.iter_mut().filter(|slave| !matches!(slave.answer, Answer::Failed(_))) {
            let silent = slave.member.check(now, actions);
            let unanswered = slave.pending().and_then(|pending| pending.check(now));
            lost.extend(silent.or(unanswered).map(|why| (slave.member.peer, why)));
        }
        for (peer, why) in lost {
            self.lose(now, peer, why, actions);
        }
    }

    pub(super) fn deadline(&self) -> Option<MonotonicInstant> {
        let waiting = self.slaves.iter().filter(|slave| !matches!(slave.answer, Answer::Failed(_)));
        let deadlines = waiting.flat_map(|slave| {
            [slave.member.liveness.deadline(), slave.pending().map(Unanswered::deadline)].into_iter().flatten()
        });
        deadlines.chain(self.call_off_at).min()
    }

    /// Whether every slave has accepted.
    pub(super) fn all_accepted(&self) -> bool {
        self.slaves.iter().all(|slave| matches!(slave.answer, Answer::Accepted))
    }

    /// Whether the session cannot go on, and nobody more is waited for.
    pub(super) fn is_called_off(&self, now: MonotonicInstant) -> bool {
        let settled = || self.slaves.iter().all(|slave| matches!(slave.answer, Answer::Accepted | Answer::Failed(_)));
        self.call_off_at.is_some_and(|at| now >= at || settled())
    }

    /// Ends the phase with slaves that have all accepted.
    pub(super) fn into_members(self) -> (Settings, Vec<Member>) {
        (self.settings, self.slaves.into_iter().map(|slave| slave.member).collect())
    }

    /// Ends the session before anything was started.
    pub(super) fn into_report(self, ended_by: Option<Verdict>, actions: &mut Actions) -> Report {
        actions.tell(Notice::CalledOff);
        let rows = self.slaves.into_iter().map(|slave| {
            actions.close(slave.member.peer);
            let outcome = if let Answer::Failed(outcome) = slave.answer { outcome } else { Outcome::Cancelled };
            slave.member.row(outcome, None)
        });
        Report::new(rows.collect(), ended_by)
    }

    fn find(&mut self, peer: PeerId) -> Option<&mut Candidate> {
        self.slaves.iter_mut().find(|slave| slave.member.peer == peer)
    }

    /// What an original slave cannot do is refused before anything is sent to anybody.
    fn refuse_for_originals(&mut self, now: MonotonicInstant, actions: &mut Actions) {
        let Some(reason) = self.beyond_version_one() else {
            return;
        };
        let originals = self.slaves.iter().filter(|slave| !slave.member.has(Feature::ConfParts));
        let peers: Vec<_> = originals.map(|slave| slave.member.peer).collect();
        for peer in peers {
            self.decline(now, peer, Some(reason.clone()), actions);
            self.call_off_at = Some(now);
        }
    }

    fn beyond_version_one(&self) -> Option<Reason> {
        let length = self.settings.conf_length;
        if usize::try_from(length).is_ok_and(|length| length <= DATA_MAX) {
            let program = "an original slave cannot run the payload as the program; name an interpreter before :CONF:";
            return self.settings.runs_payload.then(|| Reason::new(program));
        }
        let size = format!("the conf has {length} bytes, and an original slave takes at most {DATA_MAX}");
        Some(Reason::new(&size))
    }

    fn send_conf(&mut self, actions: &mut Actions) {
        let (slaves, length) = (self.settings.slaves.get(), self.settings.conf_length);
        for Candidate { member, .. } in &mut self.slaves {
            let begin = member.has(Feature::ConfParts).then_some(ConfBegin { rank: member.rank, slaves, length });
            member.liveness.pause();
            actions.push(Action::SendConf { peer: member.peer, begin });
        }
    }

    fn decline(&mut self, now: MonotonicInstant, peer: PeerId, reason: Option<Reason>, actions: &mut Actions) {
        self.fail(now, peer, Outcome::Declined(reason.clone()), actions, |slave| Notice::Declined { slave, reason });
    }

    fn lose(&mut self, now: MonotonicInstant, peer: PeerId, why: Loss, actions: &mut Actions) {
        let outcome = self.start.lost(now, why.clone());
        self.fail(now, peer, outcome, actions, |slave| Notice::Lost { slave, why });
    }

    fn fail(
        &mut self,
        now: MonotonicInstant,
        peer: PeerId,
        outcome: Outcome,
        actions: &mut Actions,
        notice: impl FnOnce(super::SlaveLabel) -> Notice,
    ) {
        let Some(slave) = self.find(peer).filter(|slave| !matches!(slave.answer, Answer::Failed(_))) else {
            return;
        };
        slave.answer = Answer::Failed(outcome);
        actions.tell(notice(slave.member.label.clone()));
        actions.close(peer);
        self.call_off_at.get_or_insert(now.plus(GATHER_TIME));
    }
}

impl Candidate {
    fn pending(&self) -> Option<Unanswered> {
        if let Answer::Pending(pending) = self.answer { Some(pending) } else { None }
    }
}
