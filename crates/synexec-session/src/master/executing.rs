//! Executing: the tasks run, and the master waits for the end of each.

mod early_end;
mod run;
mod settling;

use std::time::Duration;

use super::actions::Actions;
use super::awake::{Deadline, Now};
use super::clock_check;
use super::comeback::{Comeback, FirstConnection};
use super::following;
use super::heard::Heard;
use super::limits::{PhaseStart, Unanswered};
use super::member::Member;
use super::roster::Roster;
use super::stopping::{Stopping, Timeout};
use super::task_outputs::TaskOutputs;
use super::{Loss, Notice, OtherTasks, Outcome, OutputId, OutputsWanted, PeerId, PhaseName, Row, Settings, StopCause};
use run::Run;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Feature, Features, Message, ResumeToken};
use synexec_proto::time::MonotonicInstant;

#[derive(Debug)]
pub(super) struct Executing {
    lost_after: Duration,
    reconnect: Duration,
    on_lost: OtherTasks,
    on_failure: OtherTasks,
    timeout: Option<Timeout>,
    /// Whether the slaves keep standard error apart.
    separate: bool,
    start: PhaseStart,
    /// The instant of the start. Rows tell the estimates of the clocks for this instant.
    instant: MonotonicInstant,
    slaves: Roster<Run>,
    stopping: Option<Stopping>,
    /// Why the tasks were told to stop, if the cause was a slave.
    cause: Option<StopCause>,
}

impl Executing {
    /// Slaves that can have a common start have the last word. Original slaves are told to start early, by the time that
    /// the order takes.
    pub(super) fn begin(
        settings: &Settings,
        round: u32,
        mut members: Vec<Member>,
        instant: MonotonicInstant,
        now: Now,
        actions: &mut Actions,
    ) -> Self {
        for member in &mut members {
            member.begin_run(now);
        }
        if settings.outputs == OutputsWanted::Live {
            following::follow_all(&mut members, round, settings, actions);
        }
        let run = |member: &Member| {
            if member.has(Feature::Start) { Run::Running } else { Run::Due(instant.minus(member.round_trip / 2)) }
        };
        Self {
            lost_after: settings.lost_after,
            reconnect: settings.reconnect,
            on_lost: settings.on_lost,
            on_failure: settings.on_failure,
            timeout: settings.timeout.map(|time| Timeout::new(time, instant)),
            separate: settings.separate,
            start: PhaseStart { phase: PhaseName::Executing, at: now.awake },
            instant,
            slaves: Roster::new(members, run),
            stopping: None,
            cause: None,
        }
    }

    /// The features agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.slaves.features(peer)
    }

    pub(super) fn received(&mut self, heard: Heard, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.hearing(heard.peer) else { return };
        slave.member.heard(&heard, actions);
        let Heard { now, peer, message, at } = heard;
        match (message, &slave.state) {
            (Message::ClockReply(reply), Run::Done) => clock_check::hear(&mut slave.member, now, reply, at),
            (message @ (Message::OutputPart(_) | Message::OutputMark(_) | Message::OutputNo(_)), _) => {
                if let Some(outputs) = &mut slave.member.this_round.outputs {
                    outputs.received(message, actions);
                    outputs.ask_next(following::WINDOW, actions);
                }
            }
            (_, Run::Done | Run::Due(_)) => {}
            (Message::ExecOk(_), Run::Ordered(_)) => {
                slave.state = Run::Running;
                actions.tell(Notice::Started { slave: slave.member.label.clone() });
            }
            (Message::ExecNo(reason), _) => {
                let row = slave.member.row(Outcome::Declined(reason.clone()), self.instant);
                let news = slave.settle(row);
                drop(slave);
                if let Some(slave) = news {
                    actions.tell(Notice::Declined { slave: slave.clone(), reason });
                    self.after_failure(now, slave, actions);
                }
            }
            (Message::Finished(record), _) => {
                let row = slave.member.row(Outcome::Finished, self.instant);
                let row = Row { times: Some(record.into()), ..row };
                drop(slave);
                self.end(now, peer, row, actions);
            }
            (Message::TaskEnded(ended), _) => {
                // Without separate streams, only a slave that errs tells of standard error.
                let mut ended = *ended;
                ended.errors = ended.errors.filter(|_| self.separate);
                let row = run::ended_row(&slave.member, ended, self.instant, self.timeout, self.cause.as_ref());
                if row.start.is_some() {
                    slave.member.clock.ask_afterwards(peer, now, actions);
                }
                drop(slave);
                self.end(now, peer, row, actions);
            }
            (Message::Running(progress), _) => {
                actions.tell(Notice::Progress { slave: slave.member.label.clone(), progress, stopped: false });
            }
            (Message::Stopped(progress), _) => {
                actions.tell(Notice::Progress { slave: slave.member.label.clone(), progress, stopped: true });
            }
            _ => {}
        }
    }

    pub(super) fn output_stored(&mut self, id: OutputId, actions: &mut Actions) {
        self.change_outputs(id, actions, |outputs, _| outputs.stored(id));
    }

    pub(super) fn output_differs(&mut self, id: OutputId, actions: &mut Actions) {
        self.change_outputs(id, actions, |outputs, actions| outputs.differs(id, actions));
    }

    pub(super) fn output_failed(&mut self, id: OutputId, why: &str, actions: &mut Actions) {
        self.change_outputs(id, actions, |outputs, actions| outputs.fail_one(id, why, actions));
    }

    fn change_outputs(
        &mut self,
        id: OutputId,
        actions: &mut Actions,
        change: impl FnOnce(&mut TaskOutputs, &mut Actions),
    ) {
        if let Some(mut slave) = self.slaves.of_rank_mut(id.rank)
            && let Some(outputs) = &mut slave.member.this_round.outputs
        {
            change(outputs, actions);
            outputs.ask_next(following::WINDOW, actions);
        }
    }

    /// Gives up all outputs, since none can be stored any more. The tasks run on.
    pub(super) fn abandon_outputs(&mut self, why: &str, actions: &mut Actions) {
        self.slaves.for_each_mut(|slave| {
            slave.member.this_round.outputs.iter_mut().for_each(|outputs| outputs.fail(why, actions));
        });
    }

    pub(super) fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        let has_reported = self.slaves.get(peer).is_some_and(|slave| matches!(slave.state, Run::Done));
        let is_awaited = !has_reported || self.interrupted().is_none();
        let reconnect = if is_awaited { self.reconnect } else { Duration::ZERO };
        if !self.slaves.cut(now, peer, &why, reconnect, actions) {
            self.lose(now, peer, Loss::Disconnected(why), actions);
        }
    }

    /// The connection of the slave with this token, if no end of it is known.
    pub(super) fn first_connection(&self, token: ResumeToken) -> Option<FirstConnection> {
        self.slaves.first_connection(token)
    }

    /// Takes a slave back on its new connection. Returns whether the slave belongs to this session.
    pub(super) fn take_back(&mut self, comeback: Comeback, actions: &mut Actions) -> bool {
        let (now, peer) = (comeback.now, comeback.peer);
        let Some(mut slave) = self.slaves.take_back(comeback, actions) else { return false };
        if let (Some(stopping), Run::Stopping { by, spares_absent }) = (self.stopping, &mut slave.state) {
            if *spares_absent {
                *by = stopping.deadline(now.awake);
            }
            actions.send(peer, Message::Stop);
        }
        if let Some(outputs) = &mut slave.member.this_round.outputs {
            outputs.ask_next(following::WINDOW, actions);
        }
        true
    }

    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        let due = self.slaves.due(now.awake);
        let mut lost = self.slaves.check(&due, now, actions);
        for peer in due {
            let Some(mut slave) = self.slaves.get_mut(peer) else { continue };
            clock_check::give_up_in_time(&mut slave, now);
            if slave.stops_by().is_some_and(|by| now.awake >= by) {
                lost.push((peer, Loss::DidNotStop));
            }
        }
        for (peer, why) in lost {
            self.lose(now, peer, why, actions);
        }
        if self.stopping.is_none() && self.timeout.as_mut().is_some_and(|timeout| timeout.take_strike(now)) {
            self.time_out(now, actions);
        }
    }

    pub(super) fn deadline(&self) -> Deadline {
        let timeout = self.timeout.filter(|_| self.stopping.is_none()).and_then(Timeout::deadline);
        let monotonic = self.slaves.next_turn_at().into_iter().chain(timeout).min();
        Deadline { awake: self.slaves.deadline(), monotonic }
    }

    /// The instant of the start.
    pub(super) fn instant(&self) -> MonotonicInstant {
        self.instant
    }

    /// Whether every slave's outcome is known. If the slaves are needed for another round, the phase also waits for those
    /// that are away.
    pub(super) fn is_over(&self, are_needed: bool) -> bool {
        let all_settled = self.slaves.all(|stage| stage.is_settled);
        let waits = are_needed && self.interrupted().is_none() && self.slaves.any(|stage| stage.is_away);
        all_settled && !waits
    }

    /// The rows of the slaves whose outcomes are known.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.slaves.iter().filter_map(|slave| slave.member.this_round.row.as_ref())
    }

    /// Whether the master still waits for the clock of a slave whose task has ended.
    pub(super) fn awaits_clocks(&self) -> bool {
        !self.ends_at_once() && self.slaves.any(|stage| stage.awaits_clock)
    }

    /// Ends the phase with slaves that all have their rows.
    pub(super) fn into_members(self) -> Vec<Member> {
        self.slaves.into_members()
    }

    /// Tells original slaves to start when it is time.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Actions) {
        let ordered = Unanswered::new(now.awake, self.lost_after);
        while let Some(mut slave) = self.slaves.next_in_turn(now.monotonic) {
            actions.send(slave.member.peer, Message::Exec(None));
            slave.state = Run::Ordered(ordered);
        }
    }

    /// Number of slaves whose outcome is not known.
    fn running(&self) -> usize {
        self.slaves.count(|stage| !stage.is_settled)
    }
}
