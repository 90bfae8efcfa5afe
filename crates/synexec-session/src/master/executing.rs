//! Executing: the tasks run, and each is awaited to its end.

mod early_end;

use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Deadline, Now};
use super::clock_check;
use super::fetching::follow_all;
use super::lobby::Comeback;
use super::member::{Heard, Member, PhaseStart, Unanswered};
use super::roster::{Awaited, Roster, Slave};
use super::stopping::{Stopping, Timeout};
use super::{
    Loss, MeasuredStart, Notice, OnLost, Outcome, OutputId, OutputsWanted, PeerId, PhaseName, Row, RunTimes, Settings,
    SlaveLabel,
};
use crate::clock::ClockEstimate;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Feature, Features, FinishedRecord, Message, Reason, TaskEnded, TaskProgress};
use synexec_proto::time::MonotonicInstant;

#[derive(Debug)]
pub(super) struct Executing {
    lost_after: Duration,
    reconnect: Duration,
    on_lost: OnLost,
    timeout: Option<Timeout>,
    start: PhaseStart,
    /// The instant of the start, by which clocks are read.
    instant: MonotonicInstant,
    slaves: Roster<Run>,
    stopping: Option<Stopping>,
}

#[derive(Debug)]
enum Run {
    /// To be told to start at this instant, since it cannot be told to start at one.
    Due(MonotonicInstant),
    Ordered(Unanswered),
    Running,
    /// It was told to stop, and is waited for until then.
    Stopping(AwakeInstant),
    Done(Box<Row>),
}

impl Awaited for Run {
    fn is_settled(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    fn unanswered(&self) -> Option<Unanswered> {
        if let Self::Ordered(ordered) = self { Some(*ordered) } else { None }
    }
}

impl Executing {
    /// Slaves that can have a start in common were told to go; the others are told early by the time that it takes.
    pub(super) fn begin(
        settings: &Settings,
        round: u32,
        members: Vec<Member>,
        instant: MonotonicInstant,
        now: Now,
        actions: &mut Actions,
    ) -> Self {
        let run = |member: &Member| {
            if member.has(Feature::Start) { Run::Running } else { Run::Due(instant.minus(member.round_trip / 2)) }
        };
        let start = PhaseStart { phase: PhaseName::Executing, at: now.awake };
        let mut slaves = Roster::new(members, run);
        for member in slaves.iter_mut().map(|slave| &mut slave.member) {
            (member.output, member.slowest_probe, member.reconnects) = (None, Duration::ZERO, 0);
        }
        if settings.outputs == OutputsWanted::Live {
            follow_all(&mut slaves, round, actions);
        }
        Self {
            lost_after: settings.lost_after,
            reconnect: settings.reconnect,
            on_lost: settings.on_lost,
            timeout: settings.timeout.map(|time| Timeout::new(time, instant)),
            start,
            instant,
            slaves,
            stopping: None,
        }
    }

    /// What is agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.slaves.features(peer)
    }

    pub(super) fn received(&mut self, heard: Heard, actions: &mut Actions) {
        let Some(slave) = self.slaves.hearing(heard.peer) else { return };
        slave.member.heard(&heard, actions);
        let Heard { now, peer, message, at } = heard;
        if let (Message::ClockReply(reply), Run::Done(row)) = (&message, &mut slave.state) {
            clock_check::hear(&mut slave.member, row, now, *reply, at);
            return;
        }
        match (message, &slave.state) {
            (message @ (Message::OutputPart(_) | Message::OutputMark(_) | Message::OutputNo(_)), _) => {
                if let Some(output) = &mut slave.member.output {
                    output.received(message, actions);
                }
            }
            (_, Run::Done(_) | Run::Due(_)) => {}
            (Message::ExecOk(_), Run::Ordered(_)) => {
                slave.state = Run::Running;
                actions.tell(Notice::Started { slave: slave.member.label.clone() });
            }
            (Message::ExecNo(reason), _) => self.decline(peer, reason, actions),
            (Message::Finished(record), _) => {
                let row = Row { times: Some(record.into()), ..slave.member.row(Outcome::Finished, self.instant) };
                self.end(peer, row, actions);
            }
            (Message::TaskEnded(ended), _) => {
                let row = ended_row(slave, ended, self.instant, self.timeout);
                if row.start.is_some() {
                    slave.member.clock.ask_afterwards(peer, now, actions);
                }
                self.end(peer, row, actions);
            }
            (Message::Running(progress), _) => tell_progress(slave, progress, false, actions),
            (Message::Stopped(progress), _) => tell_progress(slave, progress, true, actions),
            _ => {}
        }
    }

    pub(super) fn output_stored(&mut self, id: OutputId, actions: &mut Actions) {
        if let Some(output) = self.slaves.of_rank_mut(id.rank).and_then(|slave| slave.member.output.as_mut()) {
            output.stored(id, actions);
        }
    }

    pub(super) fn output_failed(&mut self, id: OutputId, why: String, actions: &mut Actions) {
        let output = self.slaves.of_rank_mut(id.rank).and_then(|slave| slave.member.output.as_mut());
        if let Some(output) = output.filter(|output| output.id() == id) {
            output.fail(why, actions);
        }
    }

    /// Outputs cannot be stored any more; the tasks run on.
    pub(super) fn abandon_outputs(&mut self, why: &str, actions: &mut Actions) {
        for output in self.slaves.iter_mut().filter_map(|slave| slave.member.output.as_mut()) {
            output.fail(why.to_owned(), actions);
        }
    }

    pub(super) fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        if !self.slaves.cut(now, peer, &why, self.reconnect, actions) {
            self.lose(now, peer, Loss::Disconnected(why), actions);
        }
    }

    /// A slave has come back as this peer; tells whether it is one of ours.
    pub(super) fn take_back(&mut self, comeback: Comeback, actions: &mut Actions) -> bool {
        let (now, peer) = (comeback.now, comeback.peer);
        let Some(slave) = self.slaves.take_back(comeback, actions) else { return false };
        if let (Some(stopping), Run::Stopping(until)) = (self.stopping, &mut slave.state) {
            if stopping.spares_who_is_away() {
                *until = stopping.deadline(now.awake);
            }
            actions.send(peer, Message::Stop);
        }
        true
    }

    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        let mut lost = self.slaves.check(now, actions);
        clock_check::advance(now, &mut self.slaves);
        let overdue = self.slaves.iter().filter(|slave| self.is_to_stop_by(slave).is_some_and(|by| now.awake >= by));
        lost.extend(overdue.map(|slave| (slave.member.peer, Loss::DidNotStop)));
        for (peer, why) in lost {
            self.lose(now, peer, why, actions);
        }
        if self.stopping.is_none() && self.timeout.as_mut().is_some_and(|timeout| timeout.strikes(now)) {
            self.time_out(now, actions);
        }
    }

    pub(super) fn deadline(&self) -> Deadline {
        let to_stop = self.slaves.iter().filter_map(|slave| self.is_to_stop_by(slave));
        let answers = clock_check::deadline(&self.slaves);
        let awake = self.slaves.deadline().into_iter().chain(to_stop).chain(answers).min();
        let due = self.slaves.iter().filter_map(|slave| if let Run::Due(at) = slave.state { Some(at) } else { None });
        let timeout = self.timeout.filter(|_| self.stopping.is_none()).and_then(Timeout::deadline);
        Deadline { awake, monotonic: due.chain(timeout).min() }
    }

    /// The instant of the start.
    pub(super) fn instant(&self) -> MonotonicInstant {
        self.instant
    }

    /// Whether every slave's outcome is known, and where they are still needed, nobody has to come back.
    pub(super) fn is_over(&self, are_needed: bool) -> bool {
        let has_ended = |slave: &Slave<Run>| matches!(&slave.state, Run::Done(row) if row.outcome.has_ended());
        let waits =
            are_needed && self.interrupted().is_none() && self.slaves.has_away() && self.slaves.iter().all(has_ended);
        self.slaves.iter().all(Slave::is_settled) && !waits
    }

    /// Whether a clock is still to be told.
    pub(super) fn awaits_clocks(&self) -> bool {
        !self.ends_at_once() && clock_check::is_awaited(&self.slaves)
    }

    /// Until when a slave that was told to stop is waited for, where that is not as long as any other.
    fn is_to_stop_by(&self, slave: &Slave<Run>) -> Option<AwakeInstant> {
        let Run::Stopping(by) = slave.state else { return None };
        let is_spared = slave.member.away.is_some() && self.stopping.is_some_and(Stopping::spares_who_is_away);
        (!is_spared).then_some(by)
    }

    /// The rows of the round, and the slaves for another one.
    pub(super) fn into_rows(self) -> (Vec<Row>, Vec<Member>) {
        let row = |slave: &Slave<Run>| {
            let Run::Done(row) = &slave.state else { return None };
            Some(Row { reconnects: slave.member.reconnects, ..Row::clone(row) })
        };
        (self.slaves.iter().filter_map(row).collect(), self.slaves.into_members())
    }

    /// Tells those to start for which it is time.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Actions) {
        let ordered = Unanswered::new(now.awake, self.lost_after);
        for slave in self.slaves.iter_mut() {
            if matches!(slave.state, Run::Due(at) if now.monotonic >= at) {
                actions.send(slave.member.peer, Message::Exec(None));
                slave.state = Run::Ordered(ordered);
            }
        }
    }

    fn end(&mut self, peer: PeerId, row: Row, actions: &mut Actions) {
        let (outcome, times, start) = (row.outcome.clone(), row.times, row.start);
        let Some(slave) = self.settle(peer, row) else { return };
        let done = self.slaves.iter().filter(|slave| slave.is_settled()).count();
        actions.tell(Notice::Ended { slave, outcome, times, start, done, slaves: self.slaves.len() });
    }

    fn decline(&mut self, peer: PeerId, reason: Option<Reason>, actions: &mut Actions) {
        let Some(row) = self.row(peer, Outcome::Declined(reason.clone())) else { return };
        if let Some(slave) = self.settle(peer, row) {
            actions.tell(Notice::Declined { slave, reason });
        }
    }

    fn lose(&mut self, now: Now, peer: PeerId, why: Loss, actions: &mut Actions) {
        let outcome = self.outcome_of_loss(now, &why);
        let Some(row) = self.row(peer, outcome) else { return };
        if let Some(slave) = self.slaves.get_mut(peer) {
            slave.member.leave(&why, actions);
            slave.member.output.iter_mut().for_each(|output| output.lose(why.to_string(), actions));
        }
        let Some(slave) = self.settle(peer, row) else { return };
        actions.tell(Notice::Lost { slave, why });
        if self.on_lost == OnLost::Abort && self.stopping.is_none() {
            actions.tell(Notice::Aborting { running: self.running() });
            self.stop_all(now, None, actions);
        }
    }

    fn row(&self, peer: PeerId, outcome: Outcome) -> Option<Row> {
        Some(self.slaves.get(peer)?.member.row(outcome, self.instant))
    }

    /// Notes the end of a slave's part, unless it has ended before.
    fn settle(&mut self, peer: PeerId, row: Row) -> Option<SlaveLabel> {
        let slave = self.slaves.get_mut(peer).filter(|slave| !slave.is_settled())?;
        slave.state = Run::Done(Box::new(row));
        Some(slave.member.label.clone())
    }
}

/// The row of a task that has ended, with its start on the master's clock.
fn ended_row(slave: &Slave<Run>, ended: TaskEnded, instant: MonotonicInstant, timeout: Option<Timeout>) -> Row {
    let row = slave.member.row(Outcome::Ended(ended.end), instant);
    let start = row.clock.and_then(|clock| measured_start(slave, &ended, clock));
    let ended_at = row.clock.map(|clock| clock.offset.to_ours(ended.finished_at));
    let outcome = match timeout.filter(|timeout| timeout.has_stopped(ended.was_stopped, ended_at)) {
        Some(timeout) => Outcome::TimedOut(timeout.time),
        None => row.outcome,
    };
    let times = Some(RunTimes::from(&ended));
    Row { times, start, usage: ended.usage, guest: ended.guest, output_place: ended.output, outcome, ..row }
}

fn tell_progress(slave: &Slave<Run>, progress: TaskProgress, stopped: bool, actions: &mut Actions) {
    actions.tell(Notice::Progress { slave: slave.member.label.clone(), progress, stopped });
}

/// The start as the clock tells it, if there was one: a task may have ended before its first instruction. One that was
/// late is the less sure for it, since the clocks have run apart meanwhile.
fn measured_start(slave: &Slave<Run>, ended: &TaskEnded, at_instant: ClockEstimate) -> Option<MeasuredStart> {
    let start_uncertainty = ended.start_uncertainty?;
    let clock = slave.member.clock.estimate(at_instant.offset.to_ours(ended.started_at))?;
    Some(MeasuredStart {
        at: clock.offset.to_ours(ended.started_at),
        ended_at: clock.offset.to_ours(ended.finished_at),
        uncertainty: clock.uncertainty.saturating_add(start_uncertainty),
        lateness: ended.lateness.unwrap_or_default(),
    })
}

impl From<FinishedRecord> for RunTimes {
    fn from(record: FinishedRecord) -> Self {
        let FinishedRecord { started, finished } = record;
        Self { started, finished, elapsed: finished.since(started) }
    }
}

impl From<&TaskEnded> for RunTimes {
    fn from(ended: &TaskEnded) -> Self {
        let elapsed = ended.finished_at.since(ended.started_at);
        Self { started: ended.started, finished: ended.finished, elapsed }
    }
}
