//! Configuring: every slave prepares its task and has to accept it. Before the first round the conf goes to all slaves at
//! once; before each further round the slaves that can have a common start are told to hold the task again.

use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Deadline, Now};
use super::before_start::{BeforeStart, Step};
use super::heard::Heard;
use super::inquiry::Inquiry;
use super::limits::{PhaseStart, Unanswered};
use super::liveness::heartbeat;
use super::member::{HeldSince, Member};
use super::roster::{Roster, Slave};
use super::{Action, Loss, Notice, PeerId, PhaseName, Row, Settings};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{ConfBegin, Feature, Features, Held, Hold, Message, Reason};
use synexec_proto::wire::DATA_MAX;

/// Time that the other slaves have to answer once one slave has declined or is lost.
const GATHER_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Configuring {
    lost_after: Duration,
    start: PhaseStart,
    slaves: Roster<BeforeStart<Answer>>,
    inquiry: Inquiry,
    call_off_at: Option<AwakeInstant>,
}

#[derive(Debug)]
enum Answer {
    /// The conf is on its way to the slave.
    Sending,
    Pending(Unanswered),
    Accepted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Undecided,
    Accepted,
}

impl Step for Answer {
    type Stage = Stage;

    fn stage(&self) -> Stage {
        if let Self::Accepted = self { Stage::Accepted } else { Stage::Undecided }
    }

    fn unanswered(&self) -> Option<Unanswered> {
        if let Self::Pending(pending) = self { Some(*pending) } else { None }
    }
}

impl Configuring {
    /// Hands out the conf.
    pub(super) fn begin(settings: &Settings, members: Vec<Member>, now: Now, actions: &mut Actions) -> Self {
        let mut phase = Self::new(settings, Roster::before_start(members, |_| Answer::Sending), now);
        actions.tell(Notice::Configuring { slaves: phase.slaves.len() });
        phase.decline_beyond_abilities(settings, now, actions);
        if phase.call_off_at.is_none() {
            phase.send_conf(settings, actions);
        }
        phase
    }

    /// Has the task of the conf held once more. A slave that cannot hold it runs it again when it is told to start.
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
        let mut phase = Self::new(settings, Roster::before_start(members, answer), now);
        actions.tell(Notice::NextRound { round, rounds: settings.rounds.get() });
        let mut lost = Vec::new();
        phase.slaves.for_each_mut(|slave| {
            let member = &mut slave.member;
            member.begin_round();
            match &member.lost {
                Some(why) => lost.push((member.peer, why.clone())),
                None if member.has(Feature::Start) => {
                    actions.send(member.peer, Message::Hold(Hold { round }));
                }
                None => {}
            }
        });
        for (peer, why) in lost {
            phase.lose(now, peer, why, actions);
        }
        // Slaves that were done early were not watched since.
        phase.advance(now, actions);
        phase
    }

    fn new(settings: &Settings, slaves: Roster<BeforeStart<Answer>>, now: Now) -> Self {
        let start = PhaseStart { phase: PhaseName::Configuring, at: now.awake };
        Self { lost_after: settings.lost_after, start, slaves, inquiry: Inquiry::new(now), call_off_at: None }
    }

    /// The features agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.slaves.features(peer)
    }

    pub(super) fn received(&mut self, heard: Heard, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.candidate(heard.peer) else { return };
        slave.member.heard(&heard, actions);
        let Heard { now, peer, message, at } = heard;
        let is_undecided = slave.state.step.stage() == Stage::Undecided;
        let can_hold = slave.member.has(Feature::Start);
        if let Message::ClockReply(reply) = message {
            return slave.member.clock.hear(now, reply, at);
        }
        drop(slave);
        match message {
            Message::ConfOk(held) if is_undecided => self.accept(now, peer, held, actions),
            Message::ConfNo(reason) if is_undecided => self.decline(now, peer, reason, actions),
            // The task that the slave held has ended.
            Message::ExecNo(reason) if !is_undecided && can_hold => self.decline(now, peer, reason, actions),
            _ => {}
        }
    }

    pub(super) fn conf_sent(&mut self, now: Now, peer: PeerId) {
        let limit = self.lost_after;
        if let Some(mut slave) = self.slaves.get_mut(peer)
            && matches!(slave.state.step, Answer::Sending)
        {
            slave.member.liveness.resume(now.awake);
            slave.state.step = Answer::Pending(Unanswered::new(now.awake, limit));
        }
    }

    pub(super) fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        self.lose(now, peer, Loss::Disconnected(why), actions);
    }

    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        let due = self.slaves.due(now.awake);
        for (peer, why) in self.slaves.check(&due, now, actions) {
            self.lose(now, peer, why, actions);
        }
    }

    /// Asks the clocks of the slaves that have accepted.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Actions) {
        self.inquiry.advance(now, &mut self.slaves, actions);
    }

    pub(super) fn deadline(&self) -> Deadline {
        let awake = self.slaves.deadline().into_iter().chain(self.call_off_at).min();
        Deadline { awake, monotonic: self.inquiry.deadline(&self.slaves) }
    }

    /// Whether every slave has accepted.
    pub(super) fn all_accepted(&self) -> bool {
        self.slaves.all_are(|stage| stage == Stage::Accepted)
    }

    /// Whether the session cannot go on, and the master waits for no further answer.
    pub(super) fn is_called_off(&self, now: Now) -> bool {
        let waits = || self.slaves.any(|stage| *stage == Some(Stage::Undecided));
        self.call_off_at.is_some_and(|at| now.awake >= at || !waits())
    }

    /// Ends the phase with slaves that have all accepted.
    pub(super) fn into_members(self) -> Vec<Member> {
        self.slaves.into_members()
    }

    /// Ends the session before any task was started.
    pub(super) fn into_rows(self, now: Now, actions: &mut Actions) -> Vec<Row> {
        self.slaves.into_rows(now, actions)
    }

    fn accept(&mut self, now: Now, peer: PeerId, held: Option<Held>, actions: &mut Actions) {
        let slaves = self.slaves.len();
        let Some(mut slave) = self.slaves.get_mut(peer) else { return };
        slave.state.step = Answer::Accepted;
        slave.member.this_round.held = held.map(|how| HeldSince { how, since: now.monotonic });
        slave.member.liveness.resume(now.awake);
        if slave.member.has(Feature::Start) {
            slave.member.clock.question(slaves);
        }
        actions.tell(Notice::Accepted { slave: slave.member.label.clone() });
    }

    /// Declines the session for slaves that cannot do what it asks for, before anything is sent to any slave.
    fn decline_beyond_abilities(&mut self, settings: &Settings, now: Now, actions: &mut Actions) {
        let lacking = |slave: &Slave<BeforeStart<Answer>>| {
            inability(settings, slave.member.features).map(|reason| (slave.member.peer, reason))
        };
        let unable: Vec<_> = self.slaves.iter().filter_map(lacking).collect();
        for (peer, reason) in unable {
            self.decline(now, peer, Some(reason), actions);
            self.call_off_at = Some(now.awake);
        }
    }

    fn send_conf(&mut self, settings: &Settings, actions: &mut Actions) {
        let slaves = u32::try_from(self.slaves.len()).unwrap_or(u32::MAX);
        let length = settings.conf_length;
        self.slaves.for_each_mut(|slave| {
            let member = &mut slave.member;
            let (rank, progress, token) = (member.rank, settings.progress, member.token);
            let variables = settings.variables.clone();
            // A slave that cannot resume its connection has no use for the promise.
            let heartbeat = token.map(|_| heartbeat(settings.lost_after));
            let separate = settings.separate;
            let begin = ConfBegin { rank, slaves, length, progress, token, variables, separate, heartbeat };
            let begin = member.has(Feature::ConfParts).then_some(begin);
            member.liveness.pause();
            actions.push(Action::SendConf { peer: member.peer, begin });
        });
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

/// Why a slave with these features cannot do what the session asks for, if it cannot.
fn inability(settings: &Settings, features: Features) -> Option<Reason> {
    let beyond_version_one = || if features.has(Feature::ConfParts) { None } else { beyond_version_one(settings) };
    let lacks = |feature, option: &str| {
        let why = format!("this slave is an original or too old for {option}; update the slave, or leave {option} out");
        (!features.has(feature)).then(|| Reason::new(&why))
    };
    let variables = || if settings.variables.is_empty() { None } else { lacks(Feature::Environment, "--env") };
    let streams = || if settings.separate { lacks(Feature::Streams, "--separate") } else { None };
    beyond_version_one().or_else(variables).or_else(streams)
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
