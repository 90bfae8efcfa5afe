//! Fetching: the tasks have ended, and their outputs are fetched.

mod step;

use std::time::Duration;

use super::actions::Actions;
use super::awake::{Deadline, Now};
use super::clock_check;
use super::comeback::Comeback;
use super::heard::Heard;
use super::limits::PhaseStart;
use super::member::Member;
use super::output::{Fetched, OutputStream};
use super::roster::Roster;
use super::{Loss, Notice, Output, OutputId, OutputsWanted, PeerId, PhaseName, Settings};
use step::{FetchStep, Stage, WINDOW, first_step, lost_notice, missing, request, window_limit};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Features, Message};

/// Number of outputs that are fetched at the same time.
const AT_ONCE: usize = 16;

#[derive(Debug)]
pub(super) struct Fetching {
    lost_after: Duration,
    reconnect: Duration,
    wanted: OutputsWanted,
    round: u32,
    start: PhaseStart,
    slaves: Roster<FetchStep>,
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
        let Settings { lost_after, reconnect, outputs: wanted, .. } = *settings;
        let asked = window_limit(now, lost_after, reconnect);
        let steps: Vec<_> = members.iter_mut().map(|member| first_step(member, wanted, asked)).collect();
        let mut steps = steps.into_iter();
        let slaves = Roster::new(members, |_| steps.next().unwrap_or(FetchStep::NotWanted));
        let start = PhaseStart { phase: PhaseName::Fetching, at: now.awake };
        let mut phase = Self { lost_after, reconnect, wanted, round, start, slaves };
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
        if let Some(output) = slave.member.this_round.output.as_mut().filter(|_| is_output) {
            output.received(message, actions);
            drop(slave);
            self.settle(now, peer, actions);
        }
    }

    pub(super) fn output_stored(&mut self, now: Now, id: OutputId, actions: &mut Actions) {
        self.change_output(now, id, actions, |output, actions| output.stored(id, actions));
    }

    pub(super) fn output_differs(&mut self, now: Now, id: OutputId, actions: &mut Actions) {
        self.change_output(now, id, actions, |output, actions| output.differs(id, actions));
    }

    pub(super) fn output_failed(&mut self, now: Now, id: OutputId, why: String, actions: &mut Actions) {
        self.change_output(now, id, actions, |output, actions| {
            if output.id() == id {
                output.fail(why, actions);
            }
        });
    }

    fn change_output(
        &mut self,
        now: Now,
        id: OutputId,
        actions: &mut Actions,
        change: impl FnOnce(&mut OutputStream, &mut Actions),
    ) {
        let Some(mut slave) = self.slaves.of_rank_mut(id.rank) else { return };
        let peer = slave.member.peer;
        let Some(output) = &mut slave.member.this_round.output else { return };
        change(output, actions);
        drop(slave);
        self.settle(now, peer, actions);
    }

    pub(super) fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        if !self.slaves.cut(now, peer, &why, self.reconnect, actions) {
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
        for peer in &due {
            if let Some(mut slave) = self.slaves.get_mut(*peer) {
                clock_check::give_up_in_time(&mut slave, now);
            }
        }
        for (peer, why) in self.slaves.check(&due, now, actions) {
            self.lose(now, peer, why, actions);
        }
    }

    /// Asks for as many outputs as may be fetched at the same time.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Actions) {
        let asked = window_limit(now, self.lost_after, self.reconnect);
        let mut underway = self.slaves.count(|stage| stage.step == Stage::Underway);
        while underway < AT_ONCE
            && let Some(mut slave) = self.slaves.next_in_turn(now.monotonic)
        {
            let FetchStep::Due(offset) = slave.state else { return };
            let id = OutputId { round: self.round, rank: slave.member.rank };
            let (peer, name) = (slave.member.peer, &slave.member.label.shown);
            let stream = OutputStream::begin(peer, name, id, request(self.wanted, offset), actions);
            slave.member.this_round.output = Some(stream);
            slave.state = FetchStep::Asked(1, asked);
            underway += 1;
        }
    }

    pub(super) fn deadline(&self) -> Deadline {
        Deadline { awake: self.slaves.deadline(), monotonic: None }
    }

    /// Whether every output was fetched or given up. If the slaves are needed for another round, the phase also waits for
    /// those that are away.
    pub(super) fn is_over(&self, are_needed: bool) -> bool {
        let is_over = self.slaves.all(|stage| stage.is_settled() && !stage.awaits_clock);
        is_over && !(are_needed && self.slaves.any(|stage| stage.is_away))
    }

    /// Gives up all outputs that were not fetched.
    pub(super) fn abandon(&mut self, why: &str, actions: &mut Actions) {
        let open = self.slaves.iter().filter(|slave| !slave.state.is_over());
        let peers: Vec<_> = open.map(|slave| slave.member.peer).collect();
        for peer in peers {
            self.fail(peer, why.to_owned(), actions);
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
            let output = slave.member.this_round.row.as_ref().and_then(|row| row.output.as_ref());
            if let Some(Output::Failed { why } | Output::NoTail { why }) = output {
                actions.tell(lost_notice(&slave.member, why.clone()));
            }
        }
    }

    /// Takes note of how far an output is, and of what has become of it once that is known.
    fn settle(&mut self, now: Now, peer: PeerId, actions: &mut Actions) {
        let asked = window_limit(now, self.lost_after, self.reconnect);
        let Some(mut slave) = self.slaves.get_mut(peer).filter(|slave| !slave.state.is_over()) else { return };
        let Some(output) = &slave.member.this_round.output else { return };
        let place = slave.member.this_round.row.as_ref().and_then(|row| row.output_place.as_ref());
        // The output may contain what other processes of the task have written since its end was reported.
        let is_endless = place.is_some_and(|place| output.end() > place.length.saturating_add(WINDOW.into()));
        match output.fetched() {
            Fetched::Underway if is_endless && !output.is_being_stored() => {
                drop(slave);
                self.fail(peer, "the slave sent more than its task has written".to_owned(), actions);
            }
            Fetched::Underway => match (output.awaited_window(), &slave.state) {
                (None, _) => slave.state = FetchStep::Storing,
                (Some(window), FetchStep::Asked(asked, _)) if window == *asked => {}
                (Some(window), _) => slave.state = FetchStep::Asked(window, asked),
            },
            Fetched::Failed(why) => {
                drop(slave);
                self.fail(peer, why, actions);
            }
            Fetched::Complete(digest) => {
                let length = output.end();
                let label = slave.member.label.clone();
                slave.finish(match digest {
                    Some(digest) => Output::Whole { length, digest },
                    None => Output::Tail { length },
                });
                drop(slave);
                let done = self.slaves.count(|stage| stage.step == Stage::Done);
                actions.tell(Notice::Fetched { slave: label, done, slaves: self.wanted_count() });
            }
        }
    }

    fn lose(&mut self, now: Now, peer: PeerId, why: Loss, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.get_mut(peer) else { return };
        slave.member.leave(&why, actions);
        if slave.state.is_over() {
            return;
        }
        let why = self.start.lost(now.awake, why).to_string();
        // The master may already have all of the output, and only has to store it.
        if let Some(output) = &mut slave.member.this_round.output {
            output.lose(why, actions);
            drop(slave);
            self.settle(now, peer, actions);
        } else {
            drop(slave);
            self.fail(peer, why, actions);
        }
    }

    fn fail(&mut self, peer: PeerId, why: String, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.get_mut(peer) else { return };
        if let Some(output) = &mut slave.member.this_round.output {
            output.fail(why.clone(), actions);
        }
        slave.finish(missing(self.wanted, why.clone()));
        actions.tell(lost_notice(&slave.member, why));
    }
}
