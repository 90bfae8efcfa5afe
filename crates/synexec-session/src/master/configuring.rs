//! Configuring: every slave makes its task ready and has to accept it. Before the first round the conf goes to all at
//! once; before each further one those that have a start in common are told to hold the task again.

use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Deadline, Now};
use super::member::{Heard, Member, PhaseStart, Unanswered};
use super::peer_clock::Inquiry;
use super::roster::{Awaited, Roster, Slave};
use super::{Action, Loss, Notice, PeerId, PhaseName, Row, Settings};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{ConfBegin, Feature, Features, Held, Hold, Message, Reason};
use synexec_proto::wire::DATA_MAX;

/// Once one slave has declined or is lost, the others have this long to say what they have to say.
const GATHER_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Configuring {
    lost_after: Duration,
    start: PhaseStart,
    slaves: Roster<Answer>,
    inquiry: Inquiry,
    call_off_at: Option<AwakeInstant>,
}

#[derive(Debug)]
enum Answer {
    Sending,
    Pending(Unanswered),
    Accepted,
}

impl Awaited for Answer {
    fn unanswered(&self) -> Option<Unanswered> {
        if let Self::Pending(pending) = self { Some(*pending) } else { None }
    }
}

impl Configuring {
    /// Hands out the conf.
    pub(super) fn begin(settings: &Settings, members: Vec<Member>, now: Now, actions: &mut Actions) -> Self {
        let mut phase = Self::new(settings, Roster::new(members, |_| Answer::Sending), now);
        actions.tell(Notice::Configuring { slaves: phase.slaves.len() });
        phase.refuse_for_originals(settings, now, actions);
        if phase.call_off_at.is_none() {
            phase.send_conf(settings, actions);
        }
        phase
    }

    /// Has the task of the conf held once more; who cannot do that runs it again when it is told to.
    pub(super) fn begin_again(
        settings: &Settings,
        round: u32,
        members: Vec<Member>,
        now: Now,
        actions: &mut Actions,
    ) -> Self {
        let pending = Unanswered::new(now.awake, settings.lost_after);
        let answer =
            |member: &Member| if member.has(Feature::Start) { Answer::Pending(pending) } else { Answer::Accepted };
        let mut phase = Self::new(settings, Roster::new(members, answer), now);
        actions.tell(Notice::NextRound { round, rounds: settings.rounds.get() });
        let gone = |slave: &Slave<Answer>| Some((slave.member.peer, slave.member.gone.clone()?));
        let all_gone: Vec<_> = phase.slaves.iter().filter_map(gone).collect();
        for member in phase.slaves.iter_mut().map(|slave| &mut slave.member) {
            if member.has(Feature::Start) && member.gone.is_none() {
                actions.send(member.peer, Message::Hold(Hold { round }));
            }
        }
        for (peer, why) in all_gone {
            phase.lose(now, peer, why, actions);
        }
        // Those that were done early were not watched since.
        phase.advance(now, actions);
        phase
    }

    fn new(settings: &Settings, slaves: Roster<Answer>, now: Now) -> Self {
        let start = PhaseStart { phase: PhaseName::Configuring, at: now.awake };
        Self { lost_after: settings.lost_after, start, slaves, inquiry: Inquiry::new(now), call_off_at: None }
    }

    /// What is agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.slaves.features(peer)
    }

    pub(super) fn received(&mut self, heard: Heard, actions: &mut Actions) {
        let Some(slave) = self.slaves.get_mut(heard.peer).filter(|slave| slave.failure.is_none()) else { return };
        slave.member.heard(&heard, actions);
        let Heard { now, peer, message, at } = heard;
        let undecided = matches!(slave.state, Answer::Sending | Answer::Pending(_));
        match message {
            Message::ClockReply(reply) => slave.member.clock.hear(now, reply, at),
            Message::ConfOk(held) if undecided => self.accept(now, peer, held, actions),
            Message::ConfNo(reason) if undecided => self.decline(now, peer, reason, actions),
            // What it held is gone again.
            Message::ExecNo(reason) if !undecided && slave.member.has(Feature::Start) => {
                self.decline(now, peer, reason, actions);
            }
            _ => {}
        }
    }

    pub(super) fn conf_sent(&mut self, now: Now, peer: PeerId) {
        let limit = self.lost_after;
        if let Some(slave) = self.slaves.get_mut(peer)
            && matches!(slave.state, Answer::Sending)
        {
            slave.member.liveness.resume(now.awake);
            slave.state = Answer::Pending(Unanswered::new(now.awake, limit));
        }
    }

    pub(super) fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        self.lose(now, peer, Loss::Disconnected(why), actions);
    }

    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        for (peer, why) in self.slaves.check(now, actions) {
            self.lose(now, peer, why, actions);
        }
    }

    /// Asks for the clocks of those that have accepted.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Actions) {
        self.inquiry.advance(now, &mut self.slaves, actions);
    }

    pub(super) fn deadline(&self) -> Deadline {
        let awake = self.slaves.deadline().into_iter().chain(self.call_off_at).min();
        Deadline { awake, monotonic: self.inquiry.deadline(&self.slaves) }
    }

    /// Whether every slave has accepted.
    pub(super) fn all_accepted(&self) -> bool {
        !self.slaves.has_failure() && self.slaves.iter().all(|slave| matches!(slave.state, Answer::Accepted))
    }

    /// Whether the session cannot go on, and nobody more is waited for.
    pub(super) fn is_called_off(&self, now: Now) -> bool {
        let has_answered = |slave: &Slave<Answer>| slave.is_settled() || matches!(slave.state, Answer::Accepted);
        self.call_off_at.is_some_and(|at| now.awake >= at || self.slaves.iter().all(has_answered))
    }

    /// Ends the phase with slaves that have all accepted.
    pub(super) fn into_members(self) -> Vec<Member> {
        self.slaves.into_members()
    }

    /// Ends the session before anything was started.
    pub(super) fn into_rows(self, now: Now, actions: &mut Actions) -> Vec<Row> {
        self.slaves.into_rows(now, actions)
    }

    fn accept(&mut self, now: Now, peer: PeerId, held: Option<Held>, actions: &mut Actions) {
        let slaves = self.slaves.len();
        let Some(slave) = self.slaves.get_mut(peer) else { return };
        slave.state = Answer::Accepted;
        (slave.member.held, slave.member.held_at) = (held, held.map(|_| now.monotonic));
        slave.member.liveness.resume(now.awake);
        if slave.member.has(Feature::Start) {
            slave.member.clock.question(slaves);
        }
        actions.tell(Notice::Accepted { slave: slave.member.label.clone() });
    }

    /// What an original slave cannot do is refused before anything is sent to anybody.
    fn refuse_for_originals(&mut self, settings: &Settings, now: Now, actions: &mut Actions) {
        let Some(reason) = beyond_version_one(settings) else {
            return;
        };
        let originals = self.slaves.iter().filter(|slave| !slave.member.has(Feature::ConfParts));
        let peers: Vec<_> = originals.map(|slave| slave.member.peer).collect();
        for peer in peers {
            self.decline(now, peer, Some(reason.clone()), actions);
            self.call_off_at = Some(now.awake);
        }
    }

    fn send_conf(&mut self, settings: &Settings, actions: &mut Actions) {
        let slaves = u32::try_from(self.slaves.len()).unwrap_or(u32::MAX);
        let length = settings.conf_length;
        for slave in self.slaves.iter_mut() {
            let member = &mut slave.member;
            let (rank, progress, token) = (member.rank, settings.progress, member.token);
            let begin = ConfBegin { rank, slaves, length, progress, token };
            let begin = member.has(Feature::ConfParts).then_some(begin);
            member.liveness.pause();
            actions.push(Action::SendConf { peer: member.peer, begin });
        }
    }

    fn decline(&mut self, now: Now, peer: PeerId, reason: Option<Reason>, actions: &mut Actions) {
        if self.slaves.decline(peer, reason, actions) {
            self.call_off_at.get_or_insert(now.awake.plus(GATHER_TIME));
        }
    }

    fn lose(&mut self, now: Now, peer: PeerId, why: Loss, actions: &mut Actions) {
        let outcome = self.start.lost(now.awake, why.clone());
        if self.slaves.lose(peer, outcome, why, actions) {
            self.call_off_at.get_or_insert(now.awake.plus(GATHER_TIME));
        }
    }
}

fn beyond_version_one(settings: &Settings) -> Option<Reason> {
    let length = settings.conf_length;
    if usize::try_from(length).is_ok_and(|length| length <= DATA_MAX) {
        let program = "an original slave cannot run the payload as the program; name an interpreter before :CONF:";
        return settings.runs_payload.then(|| Reason::new(program));
    }
    let size = format!("the conf has {length} bytes, and an original slave takes at most {DATA_MAX}");
    Some(Reason::new(&size))
}
