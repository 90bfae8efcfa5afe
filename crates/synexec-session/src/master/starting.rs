//! Starting: the master measures the clocks, chooses an instant and orders the start. When every slave has confirmed, the
//! master says the last word (GO) to all. No slave starts without the last word, so until then the master can call the
//! start off everywhere.
//!
//! A slave that confirms too late for the instant does not end the session: the master measures the clocks anew, and
//! orders a start that is further ahead.

use std::time::Duration;

use super::actions::Actions;
use super::awake::{Deadline, Now};
use super::before_start::{BeforeStart, Step};
use super::heard::Heard;
use super::inquiry::{Inquiry, question_all};
use super::limits::{PhaseStart, Unanswered};
use super::member::Member;
use super::roster::Roster;
use super::schedule::Schedule;
use super::{Loss, Notice, PeerId, PhaseName, Row, Settings};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Feature, Features, Message};
use synexec_proto::time::MonotonicInstant;

/// Number of orders after which the slave that confirmed last is lost.
const ORDERS_MAX: u32 = 12;

#[derive(Debug)]
pub(super) struct Starting {
    start: PhaseStart,
    slaves: Roster<BeforeStart<Readiness>>,
    inquiry: Inquiry,
    lost_after: Duration,
    lead: Option<Duration>,
    /// The ordered start, once all clocks are measured.
    schedule: Option<Schedule>,
    /// The instant that remains when the clocks are measured once more.
    kept_instant: Option<MonotonicInstant>,
    /// How many times the start has been ordered, each time further ahead.
    orders: u32,
    last_confirmed: Option<PeerId>,
    /// Whether all slaves have the last word.
    go_said: bool,
}

/// How far a slave is. An original slave, which takes no order for an instant, has nothing to confirm.
#[derive(Debug)]
enum Readiness {
    Measuring(Unanswered),
    Measured,
    /// Ordered to start at this instant of its own clock.
    Ordered {
        at: MonotonicInstant,
        unanswered: Unanswered,
    },
    Confirmed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Measuring,
    Measured,
    Ordered,
    Confirmed,
}

impl Step for Readiness {
    type Stage = Stage;

    fn stage(&self) -> Stage {
        match self {
            Self::Measuring(_) => Stage::Measuring,
            Self::Measured => Stage::Measured,
            Self::Ordered { .. } => Stage::Ordered,
            Self::Confirmed => Stage::Confirmed,
        }
    }

    fn unanswered(&self) -> Option<Unanswered> {
        match self {
            Self::Measuring(unanswered) | Self::Ordered { unanswered, .. } => Some(*unanswered),
            Self::Measured | Self::Confirmed => None,
        }
    }
}

impl Starting {
    pub(super) fn begin(settings: &Settings, members: Vec<Member>, now: Now) -> Self {
        let unanswered = Unanswered::new(now.awake, settings.lost_after);
        let readiness = |member: &Member| {
            if member.has(Feature::Start) { Readiness::Measuring(unanswered) } else { Readiness::Confirmed }
        };
        let mut slaves = Roster::before_start(members, readiness);
        question_all(&mut slaves);
        let start = PhaseStart { phase: PhaseName::Starting, at: now.awake };
        Self {
            start,
            slaves,
            inquiry: Inquiry::new(now),
            lost_after: settings.lost_after,
            lead: settings.lead,
            schedule: None,
            kept_instant: None,
            orders: 0,
            last_confirmed: None,
            go_said: false,
        }
    }

    /// The features agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.slaves.features(peer)
    }

    pub(super) fn received(&mut self, heard: Heard, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.candidate(heard.peer) else { return };
        slave.member.heard(&heard, actions);
        let Heard { now, peer, message, at } = heard;
        match (message, &slave.state.step) {
            (Message::ClockReply(reply), Readiness::Measuring(_)) => {
                slave.member.clock.hear(now, reply, at);
                if slave.member.clock.is_measured() {
                    slave.state.step = Readiness::Measured;
                }
            }
            (Message::ExecOk(Some(confirmed)), Readiness::Ordered { at, .. }) if confirmed == *at => {
                slave.state.step = Readiness::Confirmed;
                actions.tell(Notice::Ready { slave: slave.member.label.clone() });
                self.last_confirmed = Some(peer);
            }
            (Message::ExecNo(reason), _) if slave.member.has(Feature::Start) => {
                drop(slave);
                self.slaves.decline(peer, reason, actions);
            }
            _ => {}
        }
    }

    pub(super) fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        self.lose(now, peer, Loss::Disconnected(why), actions);
    }

    /// Says the last word when it is time. This happens only here, when the session has taken every event that has
    /// happened: one of them may be a loss.
    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        let due = self.slaves.due(now.awake);
        for (peer, why) in self.slaves.check(&due, now, actions) {
            self.lose(now, peer, why, actions);
        }
        self.go_if_due(now, actions);
    }

    /// Asks for clocks, and orders the start when all clocks are measured. After the last word it does neither, even if a
    /// master that was held up finds both due.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Actions) {
        if self.go_said {
            return;
        }
        if let Some(schedule) = self.schedule.filter(|schedule| is_past(schedule.refine_at, now)) {
            self.kept_instant = Some(schedule.instant);
            self.measure_anew(now);
        }
        self.inquiry.advance(now, &mut self.slaves, actions);
        if self.schedule.is_none() && self.all_measured() {
            self.order(now, actions);
        }
    }

    pub(super) fn deadline(&self) -> Deadline {
        let go = self.schedule.filter(|_| self.all_confirmed()).map(|schedule| schedule.go_at);
        let refine = self.schedule.and_then(|schedule| schedule.refine_at);
        let question = self.inquiry.deadline(&self.slaves);
        let monotonic = go.into_iter().chain(refine).chain(question).min();
        Deadline { awake: self.slaves.deadline(), monotonic }
    }

    /// Whether a slave has declined or is lost, so that no slave starts.
    pub(super) fn is_called_off(&self) -> bool {
        self.slaves.has_failure()
    }

    /// The instant of the start, once all slaves have the last word.
    pub(super) fn started_at(&self) -> Option<MonotonicInstant> {
        self.schedule.filter(|_| self.go_said).map(|schedule| schedule.instant)
    }

    /// Ends the phase with slaves that all have the last word.
    pub(super) fn into_members(self) -> Vec<Member> {
        self.slaves.into_members()
    }

    /// Ends the session before any task was started.
    pub(super) fn into_rows(self, now: Now, actions: &mut Actions) -> Vec<Row> {
        self.slaves.into_rows(now, actions)
    }

    fn all_measured(&self) -> bool {
        self.slaves.all_are(|stage| matches!(stage, Stage::Measured | Stage::Confirmed))
    }

    fn all_confirmed(&self) -> bool {
        self.slaves.all_are(|stage| stage == Stage::Confirmed)
    }

    fn order(&mut self, now: Now, actions: &mut Actions) {
        let slowest = self.slaves.iter().map(|slave| slave.member.slowest_answer()).max().unwrap_or_default();
        let schedule = match self.kept_instant.take() {
            Some(instant) => Schedule::at(instant, slowest, self.slaves.len()),
            None => self.new_schedule(slowest, now, actions),
        };
        self.schedule = Some(schedule);
        for peer in self.slaves.peers() {
            self.order_one(now, peer, schedule.instant, actions);
        }
        // Original slaves have nothing to confirm.
        self.go_if_due(now, actions);
    }

    fn go_if_due(&mut self, now: Now, actions: &mut Actions) {
        let due = self.schedule.filter(|schedule| now.monotonic >= schedule.go_at && self.all_confirmed());
        if let Some(schedule) = due.filter(|_| !self.go_said) {
            self.go_or_order_anew(schedule, now, actions);
        }
    }

    fn new_schedule(&mut self, slowest: Duration, now: Now, actions: &mut Actions) -> Schedule {
        let schedule = Schedule::new(now.monotonic, slowest, self.slaves.len(), self.lead, self.orders);
        self.orders += 1;
        let ahead = schedule.instant.since(now.monotonic);
        actions.tell(Notice::Starting { slaves: self.slaves.len(), ahead });
        schedule
    }

    fn order_one(&mut self, now: Now, peer: PeerId, instant: MonotonicInstant, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.get_mut(peer).filter(|slave| slave.member.has(Feature::Start)) else {
            return;
        };
        let Some(estimate) = slave.member.clock.estimate(instant) else {
            drop(slave);
            return self.lose(now, peer, Loss::NoClock, actions);
        };
        let at = estimate.offset.to_theirs(instant);
        let unanswered = Unanswered::new(now.awake, self.lost_after);
        slave.state.step = Readiness::Ordered { at, unanswered };
        actions.send(peer, Message::Exec(Some(at)));
    }

    /// Says the last word, unless it would come too late because the master or a slave's answer was held up.
    fn go_or_order_anew(&mut self, schedule: Schedule, now: Now, actions: &mut Actions) {
        let has_ours = self.slaves.iter().any(|slave| slave.member.has(Feature::Start));
        if has_ours && now.monotonic > schedule.go_by {
            return self.postpone(now, actions);
        }
        for slave in self.slaves.iter().filter(|slave| slave.member.has(Feature::Start)) {
            actions.send(slave.member.peer, Message::Go);
        }
        actions.tell(Notice::GoSent { slaves: self.slaves.len() });
        self.go_said = true;
    }

    fn postpone(&mut self, now: Now, actions: &mut Actions) {
        if let Some(peer) = self.last_confirmed.filter(|_| self.orders >= ORDERS_MAX) {
            return self.lose(now, peer, Loss::AlwaysLate(self.orders), actions);
        }
        actions.tell(Notice::Postponed);
        self.measure_anew(now);
    }

    /// Has the clocks measured and the start ordered again: the clocks have run on, and a way may have become longer.
    fn measure_anew(&mut self, now: Now) {
        self.schedule = None;
        let unanswered = Unanswered::new(now.awake, self.lost_after);
        self.slaves.for_each_mut(|slave| {
            if slave.member.has(Feature::Start) {
                slave.state.step = Readiness::Measuring(unanswered);
            }
        });
        question_all(&mut self.slaves);
    }

    fn lose(&mut self, now: Now, peer: PeerId, why: Loss, actions: &mut Actions) {
        let outcome = self.start.lost(now.awake, why.clone());
        self.slaves.lose(peer, outcome, why, actions);
    }
}

fn is_past(instant: Option<MonotonicInstant>, now: Now) -> bool {
    instant.is_some_and(|instant| now.monotonic >= instant)
}
