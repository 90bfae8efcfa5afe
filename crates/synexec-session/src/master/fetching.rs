//! Fetching: the tasks have ended, and their outputs are fetched.

mod limit;
mod pace;
mod results;
mod step;

use std::time::Duration;

use super::actions::Actions;
use super::awake::{Deadline, Now};
use super::clock_check;
use super::comeback::{Comeback, FirstConnection};
use super::heard::Heard;
use super::limits::PhaseStart;
use super::member::Member;
use super::roster::{Roster, Slave};
use super::task_outputs::TaskOutputs;
use super::{Loss, Notice, OutputId, OutputsWanted, PeerId, PhaseName, Row, Settings};
use limit::{AT_ONCE, AT_ONCE_IF_SLOW, Limit};
use pace::Pace;
use results::{has_all_of_output, is_endless, request, tell_lost, wanted_bytes};
use step::{FetchState, FetchStep, Stage, first_step};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Features, Message, ResumeToken, TaskStream};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::SLOWEST_BYTES_PER_SECOND;

#[derive(Debug)]
pub(super) struct Fetching {
    reconnect: Duration,
    wanted: OutputsWanted,
    streams: Vec<TaskStream>,
    max_output: u64,
    round: u32,
    start: PhaseStart,
    /// The time limit for all outputs together.
    limit: Limit,
    slaves: Roster<FetchState>,
}

impl Fetching {
    /// Begins with slaves that all have their rows.
    pub(super) fn begin(
        settings: &Settings,
        round: u32,
        mut members: Vec<Member>,
        now: Now,
        actions: &mut Actions,
    ) -> Self {
        let Settings { lost_after, reconnect, outputs: wanted, max_output, .. } = *settings;
        let streams: Vec<_> = settings.streams().collect();
        let pace = Pace::new(lost_after, reconnect);
        let steps: Vec<_> = members.iter_mut().map(|member| first_step(member, wanted, &streams, actions)).collect();
        let open = members.iter().zip(&steps).filter(|(_, step)| !step.is_over());
        let open = open.map(|(member, _)| wanted_bytes(member, wanted, max_output));
        let limit = Limit::new(now.awake, open, pace.most_behind());
        let mut steps = steps.into_iter();
        let slaves = Roster::new(members, |member| {
            FetchState::new(steps.next().unwrap_or(FetchStep::NotWanted), member, pace, now)
        });
        let start = PhaseStart { phase: PhaseName::Fetching, at: now.awake };
        let mut phase = Self { reconnect, wanted, streams, max_output, round, start, limit, slaves };
        actions.tell(Notice::Fetching { slaves: phase.wanted_count() });
        phase.tell_failed(actions);
        // Slaves that were done early were not watched since.
        phase.advance(now, actions);
        phase
    }

    /// The features agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.slaves.features(peer)
    }

    pub(super) fn received(&mut self, heard: Heard, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.hearing(heard.peer) else { return };
        slave.member.heard(&heard, actions);
        let Heard { now, peer, message, at } = heard;
        if let Message::ClockReply(reply) = message {
            return clock_check::hear(&mut slave.member, now, reply, at);
        }
        let is_output = matches!(message, Message::OutputPart(_) | Message::OutputMark(_) | Message::OutputNo(_));
        if let Some(outputs) = slave.member.this_round.outputs.as_mut().filter(|_| is_output) {
            outputs.received(message, actions);
            drop(slave);
            self.settle(now, peer, actions);
        }
    }

    pub(super) fn output_stored(&mut self, now: Now, id: OutputId, actions: &mut Actions) {
        self.change_output(now, id, actions, |outputs, _| outputs.stored(id));
    }

    pub(super) fn output_differs(&mut self, now: Now, id: OutputId, actions: &mut Actions) {
        self.change_output(now, id, actions, |outputs, actions| outputs.differs(id, actions));
    }

    pub(super) fn output_failed(&mut self, now: Now, id: OutputId, why: &str, actions: &mut Actions) {
        self.change_output(now, id, actions, |outputs, actions| outputs.fail_one(id, why, actions));
    }

    fn change_output(
        &mut self,
        now: Now,
        id: OutputId,
        actions: &mut Actions,
        change: impl FnOnce(&mut TaskOutputs, &mut Actions),
    ) {
        let Some(mut slave) = self.slaves.of_rank_mut(id.rank) else { return };
        let peer = slave.member.peer;
        let Some(outputs) = &mut slave.member.this_round.outputs else { return };
        change(outputs, actions);
        drop(slave);
        self.settle(now, peer, actions);
    }

    pub(super) fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        if !self.slaves.cut(now, peer, &why, self.reconnect, actions) {
            self.lose(now, peer, Loss::Disconnected(why), actions);
        }
    }

    /// The connection of the slave with this token, if no end of it is known.
    pub(super) fn first_connection(&self, token: ResumeToken) -> Option<FirstConnection> {
        self.slaves.first_connection(token)
    }

    /// Does not wait for slaves whose connections are broken or break from now on: the user has asked for an end, and the
    /// slaves have reported.
    pub(super) fn wait_for_nobody(&mut self, now: Now, actions: &mut Actions) {
        self.reconnect = Duration::ZERO;
        let broken = |slave: &Slave<FetchState>| Some((slave.member.peer, slave.member.away_because()?.clone()));
        let away: Vec<_> = self.slaves.iter().filter_map(broken).collect();
        for (peer, why) in away {
            self.lose(now, peer, Loss::Disconnected(why), actions);
        }
    }

    /// Takes a slave back on its new connection. Returns whether the slave belongs to this session.
    pub(super) fn take_back(&mut self, comeback: Comeback, actions: &mut Actions) -> bool {
        let (now, peer) = (comeback.now, comeback.peer);
        let is_ours = self.slaves.take_back(comeback, actions).is_some();
        self.settle(now, peer, actions);
        is_ours
    }

    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        let due = self.slaves.due(now.awake);
        let mut too_slow = Vec::new();
        for peer in &due {
            if let Some(mut slave) = self.slaves.get_mut(*peer) {
                clock_check::give_up_in_time(&mut slave, now);
                too_slow.extend(slave.state.check(now).then_some(*peer));
            }
        }
        for (peer, why) in self.slaves.check(&due, now, actions) {
            self.lose(now, peer, why, actions);
        }
        for peer in too_slow {
            let why = format!("the slave sent less than {} KiB a second", SLOWEST_BYTES_PER_SECOND / 1024);
            self.fail(peer, &why, actions);
        }
        if now.awake >= self.limit.ends_at() {
            self.abandon("all outputs together took too long", actions);
        }
    }

    /// Asks for windows, as long as there is a place for another output.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Actions) {
        while self.has_place()
            && let Some(mut slave) = self.slaves.next_in_turn(MonotonicInstant::LAST)
        {
            slave.state.ask(now);
            let window = if let OutputsWanted::Tails(tail) = self.wanted { tail } else { slave.state.window };
            let Slave { member, state } = &mut *slave;
            let mut outputs = member.this_round.outputs.take().unwrap_or_else(|| {
                let request = |stream: &_| (*stream, request(member, *stream, self.wanted, self.max_output));
                let requests = self.streams.iter().map(request);
                let outputs =
                    TaskOutputs::begin(member.peer, &member.label, self.round, member.rank, requests, actions);
                state.begin(outputs.end());
                outputs
            });
            outputs.ask_next(window, actions);
            member.this_round.outputs = Some(outputs);
        }
    }

    /// Whether another slave may be asked for a window.
    fn has_place(&self) -> bool {
        let underway = self.slaves.count(|stage| stage.step == Stage::Underway);
        let slow = self.slaves.count(|stage| stage.step == Stage::Slow);
        underway < AT_ONCE && underway + slow < AT_ONCE_IF_SLOW
    }

    pub(super) fn deadline(&self) -> Deadline {
        let end = self.slaves.any(|stage| !stage.is_settled()).then_some(self.limit.ends_at());
        Deadline { awake: self.slaves.deadline().into_iter().chain(end).min(), monotonic: None }
    }

    /// Whether every output was fetched or given up. If the slaves are needed for another round, the phase also waits for
    /// those that are away.
    pub(super) fn is_over(&self, are_needed: bool) -> bool {
        let is_over = self.slaves.all(|stage| stage.is_settled() && !stage.awaits_clock);
        is_over && !(are_needed && self.slaves.any(|stage| stage.is_away))
    }

    /// The rows of the slaves.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.slaves.iter().filter_map(|slave| slave.member.this_round.row.as_ref())
    }

    /// Gives up all outputs that were not fetched.
    pub(super) fn abandon(&mut self, why: &str, actions: &mut Actions) {
        let open = self.slaves.iter().filter(|slave| !slave.state.step.is_over());
        let peers: Vec<_> = open.map(|slave| slave.member.peer).collect();
        for peer in peers {
            self.fail(peer, why, actions);
        }
        self.slaves.for_each_mut(|slave| slave.member.clock.give_up());
    }

    /// Ends the phase with slaves whose rows tell what the master has of their outputs.
    pub(super) fn into_members(self) -> Vec<Member> {
        let mut members = self.slaves.into_members();
        members.iter_mut().for_each(Member::note_lateness);
        members
    }

    fn wanted_count(&self) -> usize {
        self.slaves.count(|stage| stage.step != Stage::NotWanted)
    }

    /// Tells about the outputs that had failed before the phase began.
    fn tell_failed(&mut self, actions: &mut Actions) {
        for slave in self.slaves.iter() {
            tell_lost(&slave.member, actions);
        }
    }

    /// Takes note of how far an output is, and of what has become of it once that is known.
    fn settle(&mut self, now: Now, peer: PeerId, actions: &mut Actions) {
        let others_wait = self.slaves.any(|stage| stage.step == Stage::Due);
        let Some(mut slave) = self.slaves.get_mut(peer).filter(|slave| !slave.state.step.is_over()) else { return };
        let Slave { member, state } = &mut *slave;
        let Some(outputs) = &member.this_round.outputs else { return };
        let bytes = state.came(now, outputs.end());
        self.limit.came(bytes, state.all);
        if outputs.is_over() {
            slave.finish(self.wanted);
            tell_lost(&slave.member, actions);
            let label = slave.member.label.clone();
            let is_fetched = slave.member.this_round.row.as_ref().is_some_and(has_all_of_output);
            drop(slave);
            if is_fetched {
                let done = self.slaves.count(|stage| stage.step == Stage::Done);
                actions.tell(Notice::Fetched { slave: label, done, slaves: self.wanted_count() });
            }
        } else if is_endless(member, outputs) && !outputs.is_being_stored() {
            drop(slave);
            self.fail(peer, "the slave sent more than its task has written", actions);
        } else if !outputs.is_asked() {
            if state.step.is_asked() {
                state.window_came(now);
            }
            // While others wait, the bytes that have come are stored first, so that they need bounded memory.
            let is_due = outputs.is_ready() && !(others_wait && outputs.has_unstored());
            state.step = if is_due { FetchStep::Due } else { FetchStep::Storing };
        }
    }

    fn lose(&mut self, now: Now, peer: PeerId, why: Loss, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.get_mut(peer) else { return };
        slave.member.leave(&why, actions);
        if slave.state.step.is_over() {
            return;
        }
        let why = self.start.lost(now.awake, why).to_string();
        // The master may already have all of the output, and only has to store it.
        if let Some(outputs) = &mut slave.member.this_round.outputs {
            outputs.lose(&why, actions);
            drop(slave);
            self.settle(now, peer, actions);
        } else {
            drop(slave);
            self.fail(peer, &why, actions);
        }
    }

    /// Gives up the streams of a slave that are not complete.
    fn fail(&mut self, peer: PeerId, why: &str, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.get_mut(peer).filter(|slave| !slave.state.step.is_over()) else { return };
        if let Some(outputs) = &mut slave.member.this_round.outputs {
            outputs.fail(why, actions);
            slave.finish(self.wanted);
        } else {
            slave.lack(&self.streams, self.wanted, why);
        }
        tell_lost(&slave.member, actions);
    }
}
