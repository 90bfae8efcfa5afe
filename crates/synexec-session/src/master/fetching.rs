//! Fetching: all tasks have ended, and their outputs are fetched, some at a time.

use std::time::Duration;

use super::actions::Actions;
use super::awake::{Deadline, Now};
use super::clock_check;
use super::lobby::Comeback;
use super::member::{Heard, Member, PhaseStart, Unanswered};
use super::output::{Fetched, OutputStream, Request};
use super::roster::{Awaited, Roster, Slave};
use super::{Loss, Notice, Output, OutputId, OutputsWanted, PeerId, PhaseName, Row, Settings};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Feature, Features, Message};
use synexec_proto::wire::SLOWEST_BYTES_PER_SECOND;

/// Outputs that are fetched at the same time.
const AT_ONCE: usize = 16;

/// How much of a whole output is asked for at a time, in bytes.
const WINDOW: u32 = 512 * 1024;

/// The same for one that is shown as it comes.
const LIVE_WINDOW: u32 = 16 * 1024;

#[derive(Debug)]
pub(super) struct Fetching {
    lost_after: Duration,
    reconnect: Duration,
    wanted: OutputsWanted,
    round: u32,
    start: PhaseStart,
    slaves: Roster<Fetch>,
    /// One for each slave, by rank.
    rows: Vec<Row>,
}

#[derive(Debug)]
enum Fetch {
    /// Its task has no output that would be waited for.
    NotWanted,
    /// To be asked for from this byte.
    Due(u64),
    /// It is the slave's turn to give this window of its output.
    Asked(u64, Unanswered),
    /// What has come is being stored.
    Storing,
    Done(Output),
}

impl Awaited for Fetch {
    fn is_settled(&self) -> bool {
        matches!(self, Self::NotWanted | Self::Done(_))
    }

    fn unanswered(&self) -> Option<Unanswered> {
        if let Self::Asked(_, asked) = self { Some(*asked) } else { None }
    }
}

/// Asks for all outputs as they come, when the tasks start.
pub(super) fn follow_all<S>(slaves: &mut Roster<S>, round: u32, actions: &mut Actions) {
    let request = Request { offset: 0, window: LIVE_WINDOW, follow: true, once: false };
    for member in slaves.iter_mut().map(|slave| &mut slave.member).filter(|member| member.has(Feature::Outputs)) {
        let id = OutputId { round, rank: member.rank };
        member.output = Some(OutputStream::begin(member.peer, member.label.name.clone(), id, request, actions));
    }
}

impl Fetching {
    /// Tasks whose slaves are there still have outputs to give.
    pub(super) fn begin(
        settings: &Settings,
        round: u32,
        rows: Vec<Row>,
        members: Vec<Member>,
        now: Now,
        actions: &mut Actions,
    ) -> Self {
        let asked = asked_for_window(now, settings.lost_after, settings.reconnect);
        let mut ranked = rows.iter();
        let state = |member: &Member| match ranked.next() {
            Some(row) => first_state(member, row, settings.outputs, asked),
            None => Fetch::NotWanted,
        };
        let slaves = Roster::new(members, state);
        let start = PhaseStart { phase: PhaseName::Fetching, at: now.awake };
        let Settings { lost_after, reconnect, outputs: wanted, .. } = *settings;
        let mut phase = Self { lost_after, reconnect, wanted, round, start, slaves, rows };
        actions.tell(Notice::Fetching { slaves: phase.wanted_count() });
        phase.tell_failed(actions);
        // Those that were done early were not watched since.
        phase.advance(now, actions);
        phase
    }

    /// What is agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.slaves.features(peer)
    }

    pub(super) fn received(&mut self, heard: Heard, actions: &mut Actions) {
        let Some(slave) = self.slaves.hearing(heard.peer) else { return };
        slave.member.heard(&heard, actions);
        let Heard { now, peer, message, at } = heard;
        if let Message::ClockReply(reply) = message {
            if let Some(row) = self.rows.iter_mut().find(|row| row.rank == slave.member.rank) {
                clock_check::hear(&mut slave.member, row, now, reply, at);
            }
            return;
        }
        let is_output = matches!(message, Message::OutputPart(_) | Message::OutputMark(_) | Message::OutputNo(_));
        if let Some(output) = slave.member.output.as_mut().filter(|_| is_output) {
            output.received(message, actions);
            self.settle(now, peer, actions);
        }
    }

    pub(super) fn output_stored(&mut self, now: Now, id: OutputId, actions: &mut Actions) {
        let Some(Slave { member, .. }) = self.slaves.of_rank_mut(id.rank) else { return };
        if let Some(output) = &mut member.output {
            output.stored(id, actions);
            let peer = member.peer;
            self.settle(now, peer, actions);
        }
    }

    pub(super) fn output_failed(&mut self, now: Now, id: OutputId, why: String, actions: &mut Actions) {
        let Some(Slave { member, .. }) = self.slaves.of_rank_mut(id.rank) else { return };
        if let Some(output) = member.output.as_mut().filter(|output| output.id() == id) {
            output.fail(why, actions);
            let peer = member.peer;
            self.settle(now, peer, actions);
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
        let is_ours = self.slaves.take_back(comeback, actions).is_some();
        self.settle(now, peer, actions);
        is_ours
    }

    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        clock_check::advance(now, &mut self.slaves);
        for (peer, why) in self.slaves.check(now, actions) {
            self.lose(now, peer, why, actions);
        }
    }

    /// Asks for as many outputs as may be fetched at the same time.
    pub(super) fn proceed(&mut self, now: Now, actions: &mut Actions) {
        let is_underway = |slave: &&Slave<Fetch>| matches!(slave.state, Fetch::Asked(..) | Fetch::Storing);
        let underway = self.slaves.iter().filter(is_underway).count();
        let (round, wanted, asked) = (self.round, self.wanted, self.asked(now));
        let is_due = |slave: &&mut Slave<Fetch>| matches!(slave.state, Fetch::Due(_)) && slave.member.away.is_none();
        let due = self.slaves.iter_mut().filter(is_due);
        for slave in due.take(AT_ONCE.saturating_sub(underway)) {
            let Fetch::Due(offset) = slave.state else { continue };
            let id = OutputId { round, rank: slave.member.rank };
            let request = request(wanted, offset);
            let name = slave.member.label.name.clone();
            slave.member.output = Some(OutputStream::begin(slave.member.peer, name, id, request, actions));
            slave.state = Fetch::Asked(1, asked);
        }
    }

    pub(super) fn deadline(&self) -> Deadline {
        let awake = self.slaves.deadline().into_iter().chain(clock_check::deadline(&self.slaves)).min();
        Deadline { awake, monotonic: None }
    }

    /// Whether every output is here, or cannot be had, and where the slaves are still needed, nobody has to come back.
    pub(super) fn is_over(&self, are_needed: bool) -> bool {
        let awaits_clocks = clock_check::is_awaited(&self.slaves);
        self.slaves.iter().all(Slave::is_settled) && !(are_needed && self.slaves.has_away()) && !awaits_clocks
    }

    /// Gives all up that are not here.
    pub(super) fn abandon(&mut self, why: &str, actions: &mut Actions) {
        let peers: Vec<_> =
            self.slaves.iter().filter(|slave| !slave.is_settled()).map(|slave| slave.member.peer).collect();
        for peer in peers {
            self.fail(peer, why.to_owned(), actions);
        }
        self.slaves.iter_mut().for_each(|slave| slave.member.clock.give_up());
    }

    /// The rows of the round, and the slaves for another one.
    pub(super) fn into_rows(self) -> (Vec<Row>, Vec<Member>) {
        let mut rows = self.rows;
        for (row, slave) in rows.iter_mut().zip(self.slaves.iter()) {
            (row.answered_late, row.reconnects) = (slave.member.answered_late(), slave.member.reconnects);
            if let Fetch::Done(output) = &slave.state {
                row.output = Some(output.clone());
            }
        }
        (rows, self.slaves.into_members())
    }

    fn asked(&self, now: Now) -> Unanswered {
        asked_for_window(now, self.lost_after, self.reconnect)
    }

    fn wanted_count(&self) -> usize {
        self.slaves.iter().filter(|slave| !matches!(slave.state, Fetch::NotWanted)).count()
    }

    /// What has failed before the phase began is told as it begins.
    fn tell_failed(&mut self, actions: &mut Actions) {
        for slave in self.slaves.iter() {
            if let Fetch::Done(Output::Failed { why } | Output::NoTail { why }) = &slave.state {
                actions.tell(lost_notice(slave, &self.rows, why.clone()));
            }
        }
    }

    /// Notes how far an output is now, and what has become of it once that is known.
    fn settle(&mut self, now: Now, peer: PeerId, actions: &mut Actions) {
        let asked = self.asked(now);
        let Some(slave) = self.slaves.get_mut(peer).filter(|slave| !slave.is_settled()) else { return };
        let Some(output) = &slave.member.output else { return };
        let place = row_of(&self.rows, &slave.member).and_then(|row| row.output_place.as_ref());
        // What others of its group have written meanwhile may come too.
        let is_endless = place.is_some_and(|place| output.end() > place.length.saturating_add(WINDOW.into()));
        match output.fetched() {
            Fetched::Underway if is_endless && !output.is_being_stored() => {
                self.fail(peer, "it gives more than its task has written".to_owned(), actions);
            }
            Fetched::Underway => match (output.awaited_window(), &slave.state) {
                (None, _) => slave.state = Fetch::Storing,
                (Some(window), Fetch::Asked(asked, _)) if window == *asked => {}
                (Some(window), _) => slave.state = Fetch::Asked(window, asked),
            },
            Fetched::Failed(why) => self.fail(peer, why, actions),
            Fetched::Complete(digest) => {
                let length = output.end();
                slave.state = Fetch::Done(match digest {
                    Some(digest) => Output::Whole { length, digest },
                    None => Output::Tail { length },
                });
                let label = slave.member.label.clone();
                let is_done = |slave: &&Slave<Fetch>| matches!(slave.state, Fetch::Done(_));
                let done = self.slaves.iter().filter(is_done).count();
                actions.tell(Notice::Fetched { slave: label, done, slaves: self.wanted_count() });
            }
        }
    }

    fn lose(&mut self, now: Now, peer: PeerId, why: Loss, actions: &mut Actions) {
        let Some(slave) = self.slaves.get_mut(peer) else { return };
        if slave.is_settled() {
            slave.member.leave(&why, actions);
        } else {
            // What has come may still have to be stored, and nothing is to be heard of it meanwhile.
            slave.member.leave(&why, actions);
            let outcome = self.start.lost(now.awake, why).to_string();
            self.give_up(now, peer, outcome, actions);
        }
    }

    /// What has come of it may still be all of it.
    fn give_up(&mut self, now: Now, peer: PeerId, why: String, actions: &mut Actions) {
        match self.slaves.get_mut(peer).and_then(|slave| slave.member.output.as_mut()) {
            Some(output) => {
                output.lose(why, actions);
                self.settle(now, peer, actions);
            }
            None => self.fail(peer, why, actions),
        }
    }

    fn fail(&mut self, peer: PeerId, why: String, actions: &mut Actions) {
        let Some(slave) = self.slaves.get_mut(peer) else { return };
        if let Some(output) = &mut slave.member.output {
            output.fail(why.clone(), actions);
        }
        slave.state = Fetch::Done(missing(self.wanted, why.clone()));
        actions.tell(lost_notice(slave, &self.rows, why));
    }
}

/// A window that is asked for now, which has to come at the slowest rate that still counts as coming, also when its
/// connection breaks meanwhile.
fn asked_for_window(now: Now, lost_after: Duration, reconnect: Duration) -> Unanswered {
    let time = Duration::from_secs(u64::from(WINDOW / SLOWEST_BYTES_PER_SECOND));
    Unanswered::new(now.awake, lost_after.saturating_add(time).saturating_add(reconnect))
}

fn first_state(member: &Member, row: &Row, wanted: OutputsWanted, asked: Unanswered) -> Fetch {
    if !row.outcome.has_ended() || wanted == OutputsWanted::Nothing {
        return Fetch::NotWanted;
    }
    if !member.has(Feature::Outputs) {
        return Fetch::Done(Output::Unavailable);
    }
    if member.output.as_ref().is_some_and(OutputStream::is_being_stored) {
        return Fetch::Storing;
    }
    let failed = |why| Fetch::Done(missing(wanted, why));
    let window = member.output.as_ref().and_then(OutputStream::awaited_window).unwrap_or_default();
    match (member.output.as_ref().map(|output| (output.fetched(), output.end())), &member.gone) {
        (Some((Fetched::Complete(Some(digest)), length)), _) => Fetch::Done(Output::Whole { length, digest }),
        (Some((Fetched::Failed(why), _)), _) => failed(why),
        (_, Some(gone)) => failed(gone.to_string()),
        (Some((Fetched::Underway | Fetched::Complete(None), _)), None) => Fetch::Asked(window, asked),
        (None, None) => Fetch::Due(first_byte(row, wanted)),
    }
}

/// What was wanted and cannot be had. The end that a page would show is missed less than an output.
fn missing(wanted: OutputsWanted, why: String) -> Output {
    if let OutputsWanted::Tails(_) = wanted { Output::NoTail { why } } else { Output::Failed { why } }
}

/// Where the wanted part of an output begins.
fn first_byte(row: &Row, wanted: OutputsWanted) -> u64 {
    let length = row.output_place.as_ref().map_or(0, |place| place.length);
    if let OutputsWanted::Tails(tail) = wanted { length.saturating_sub(tail.into()) } else { 0 }
}

fn request(wanted: OutputsWanted, offset: u64) -> Request {
    match wanted {
        OutputsWanted::Tails(tail) => Request { offset, window: tail, follow: false, once: true },
        _ => Request { offset, window: WINDOW, follow: false, once: false },
    }
}

/// A slave's row, of rows by rank.
fn row_of<'a>(rows: &'a [Row], member: &Member) -> Option<&'a Row> {
    rows.get(usize::try_from(member.rank).ok()?)
}

fn lost_notice(slave: &Slave<Fetch>, rows: &[Row], why: String) -> Notice {
    let place = row_of(rows, &slave.member).and_then(|row| row.output_place.as_ref());
    Notice::OutputLost { slave: slave.member.label.clone(), why, kept_at: place.map(|place| place.path.clone()) }
}
