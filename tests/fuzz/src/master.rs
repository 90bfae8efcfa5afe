//! A master's session that receives any events in any order. Some of its slaves behave correctly.

mod program;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use arbitrary::Result;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;
use synexec_session::interrupt::Interrupt;
use synexec_session::master::{Action, Event, OutputStep, OutputsWanted, PeerId, Report, Settings};

use crate::draw::{self, Input};
use crate::guest::Guest;
use crate::memory;
use crate::messages::canonical_frame;
use crate::phases::Phase;
use synexec_sim::{Master, START, assert_rows_complete, assert_verdict_follows};

/// Number of connections that an event can name.
const PEERS: usize = 30;

/// Largest number of steps.
const STEPS: usize = 400;

/// Number of deadlines within which a session without slaves ends.
const WAITS: usize = 300;

/// Bytes that one event may allocate, besides several times its own size and several confs, which the simulation
/// copies.
const EVENT_COST: usize = 64 * 1024;
const CONF_COPIES: usize = 16;

/// Bytes that one event may allocate for each connection, because one event can close many.
const PEER_COST: usize = 4096;

/// Checks that the session orders nothing too early and ends in a report with each slave once, whatever happens.
pub fn any_events(data: &[u8]) {
    let mut input = Input::new(data);
    let Ok(settings) = draw::settings(&mut input) else { return };
    let mut trial = Trial::new(settings);
    for _ in 0..STEPS {
        if input.is_empty() || trial.step(&mut input).is_err() {
            break;
        }
    }
    let leave = input.ratio(1, 2).unwrap_or_default();
    if leave {
        trial.disconnect_all();
    }
    trial.end();
}

struct Trial {
    wanted: usize,
    quorum: usize,
    conf_length: usize,
    live: bool,
    master: Master,
    phase: Phase,
    now: MonotonicInstant,
    guests: Vec<Guest>,
    /// Peers to which a conf is under way.
    confs: VecDeque<PeerId>,
    /// Events that will tell the session that outputs are stored.
    stores: VecDeque<Event>,
    /// Whether the program has reported a failure, even of an act that the session did not order.
    has_failed: bool,
    report: Option<Report>,
}

impl Trial {
    fn new(settings: Settings) -> Self {
        let mut trial = Self {
            wanted: usize::try_from(settings.slaves.get()).expect("the number is small"),
            quorum: usize::try_from(settings.quorum.unwrap_or(settings.slaves).get()).expect("the number is small"),
            conf_length: usize::try_from(settings.conf_length).expect("the value is small"),
            live: settings.outputs == OutputsWanted::Live,
            master: Master::new(settings, START),
            phase: Phase::default(),
            now: START,
            guests: Vec::new(),
            confs: VecDeque::new(),
            stores: VecDeque::new(),
            has_failed: false,
            report: None,
        };
        trial.advance();
        trial
    }

    fn step(&mut self, input: &mut Input<'_>) -> Result<()> {
        match input.int_in_range(0..=31)? {
            0..=2 => self.connect(),
            3..=6 => self.join(input)?,
            7..=11 => {
                let peer = self.peer(input)?;
                self.answer(peer, input.ratio(1, 16)?);
            }
            12..=15 => self.all_answer(input.int_in_range(1..=20)?),
            16..=18 => self.send_anything(input)?,
            19 => self.end_all_tasks(input)?,
            20 | 21 => self.run_dispatcher(),
            22 => self.store_or_not(input)?,
            23 => self.fail_or_report(input)?,
            24 => self.resume(input)?,
            25 => {
                let (peer, why) = (PeerId(self.peer(input)?), draw::disconnect(input)?);
                self.handle(Event::Disconnected { peer, why });
            }
            26 => self.handle(Event::Interrupted(draw::interrupt(input)?)),
            27 => {
                // A few addresses, of which some are lower than the master's own.
                let [theirs, ours] = [0..=9, 3..=4].map(|range| input.int_in_range(range));
                let [theirs, ours] = [theirs?, ours?].map(|last| Ipv4Addr::new(10, 0, 0, last));
                self.handle(Event::RivalHeard { theirs, ours });
            }
            28 => {
                self.now = self.now.plus(draw::passing(input)?);
                self.advance();
            }
            _ => self.wait(),
        }
        Ok(())
    }

    /// A guest connects, says hello, and answers the first probe.
    fn join(&mut self, input: &mut Input<'_>) -> Result<()> {
        let hello = draw::capabilities(input)?;
        let peer = u64::try_from(self.guests.len()).expect("the number is small");
        self.connect();
        self.send(peer, &Message::Reply(hello));
        self.answer(peer, false);
        Ok(())
    }

    /// A slave claims to resume a connection, which mostly broke before.
    fn resume(&mut self, input: &mut Input<'_>) -> Result<()> {
        let was = self.peer(input)?;
        if input.ratio(7, 8)? {
            self.handle(Event::Disconnected { peer: PeerId(was), why: draw::disconnect(input)? });
        }
        let Some(guest) = usize::try_from(was).ok().and_then(|was| self.guests.get(was)).cloned() else {
            return Ok(());
        };
        let (peer, hello) = (self.peers().end, Capabilities::ours("back").resuming(guest.token()));
        self.connect();
        self.guests.pop();
        self.guests.push(guest);
        self.send(peer, &Message::Reply(Some(hello)));
        self.answer(peer, false);
        Ok(())
    }

    fn connect(&mut self) {
        let number = u8::try_from(self.guests.len() % 250).expect("the remainder is small");
        let peer = PeerId(u64::try_from(self.guests.len()).expect("the number is small"));
        self.guests.push(Guest::new(number));
        let address = SocketAddr::from((Ipv4Addr::new(10, 0, u8::from(peer.0 > 249), number), 5165));
        self.handle(Event::Connected { peer, address });
    }

    /// A guest answers its oldest message, correctly or wrongly. Tells whether the guest had a message.
    fn answer(&mut self, peer: u64, wrongly: bool) -> bool {
        let Some(guest) = usize::try_from(peer).ok().and_then(|peer| self.guests.get_mut(peer)) else { return false };
        let answers = if wrongly { guest.answer_wrongly(self.now) } else { guest.answer(self.now) };
        let Some(answers) = answers else { return false };
        for answer in answers {
            self.send(peer, &answer);
        }
        true
    }

    /// All guests answer in turn, this many times or until no guest has a message left.
    fn all_answer(&mut self, times: u32) {
        for _ in 0..times {
            let mut answered = false;
            for peer in self.peers() {
                answered |= self.answer(peer, false);
            }
            if !answered {
                return;
            }
        }
    }

    fn send_anything(&mut self, input: &mut Input<'_>) -> Result<()> {
        let (peer, frame) = (self.peer(input)?, draw::frame(input, self.now)?);
        self.receive(peer, frame);
        Ok(())
    }

    /// Ends all running tasks.
    fn end_all_tasks(&mut self, input: &mut Input<'_>) -> Result<()> {
        for peer in self.peers() {
            let Some(guest) = usize::try_from(peer).ok().and_then(|peer| self.guests.get_mut(peer)) else { break };
            if let Some(end) = guest.task_ends(input, self.now)? {
                self.send(peer, &end);
            }
        }
        Ok(())
    }

    fn wait(&mut self) {
        self.now = self.now.max(self.master.deadline().unwrap_or(self.now));
        self.advance();
    }

    fn send(&mut self, peer: u64, message: &Message) {
        self.receive(peer, canonical_frame(message));
    }

    fn receive(&mut self, peer: u64, frame: Frame) {
        self.handle(Event::Received { peer: PeerId(peer), frame, at: self.now });
    }

    fn handle(&mut self, event: Event) {
        let length = if let Event::Received { frame, .. } = &event { frame.data().len() } else { 0 };
        memory::within(self.event_cost() + 20 * length, || self.master.handle(self.now, event));
        self.look();
    }

    fn event_cost(&self) -> usize {
        EVENT_COST + CONF_COPIES * self.conf_length + PEER_COST * self.guests.len()
    }

    fn advance(&mut self) {
        memory::within(self.event_cost(), || self.master.advance(self.now));
        self.look();
    }

    /// Checks that the session did only allowed actions, and that its report never changes.
    fn look(&mut self) {
        for (_, action) in std::mem::take(&mut self.master.log) {
            self.follow(action);
        }
        if self.report.as_ref() != self.master.report() {
            assert!(self.report.is_none(), "the report has changed");
            self.report = self.master.report().cloned();
        }
    }

    fn follow(&mut self, action: Action) {
        match action {
            Action::Send { peer, message } => {
                canonical_frame(&message);
                assert!(self.phase.allows(&message, self.live), "{message:?} while {:?}", self.phase);
                self.guest(peer).told(message);
            }
            Action::SendConf { peer, begin } => {
                self.confs.push_back(peer);
                self.guest(peer).receive_conf(begin);
            }
            Action::Output { id, step: OutputStep::Sync | OutputStep::Cut, .. } => {
                self.stores.push_back(Event::OutputStored { id });
            }
            Action::Output { id, step: OutputStep::End { digest }, .. } => {
                let is_right = digest.is_none_or(|digest| digest == self.master.digest_of(id));
                let (right, wrong) = (Event::OutputStored { id }, Event::OutputDiffers { id });
                self.stores.push_back(if is_right { right } else { wrong });
            }
            Action::Tell(notice) => self.phase.tell(&notice),
            Action::Close { .. } | Action::Probe | Action::HearRivals | Action::Output { .. } => {}
        }
    }

    fn peer(&self, input: &mut Input<'_>) -> Result<u64> {
        input.int_in_range(0..=u64::try_from(self.guests.len().min(PEERS)).expect("the number is small"))
    }

    fn peers(&self) -> Range<u64> {
        0..u64::try_from(self.guests.len()).expect("the number is small")
    }

    fn guest(&mut self, PeerId(peer): PeerId) -> &mut Guest {
        let guest = usize::try_from(peer).ok().and_then(|peer| self.guests.get_mut(peer));
        guest.expect("the master names only connected peers")
    }

    /// Ends all connections. Checks that a session that had members ends without its user.
    fn disconnect_all(&mut self) {
        for peer in self.peers() {
            self.handle(Event::Disconnected { peer: PeerId(peer), why: Disconnect::Closed });
        }
        for _ in 0..WAITS {
            if self.report.is_some() {
                return;
            }
            self.run_dispatcher();
            self.wait();
        }
        assert!(self.master.members() == 0 || self.report.is_some(), "a session without slaves goes on");
    }

    /// Interrupts the session twice, which always ends it, and checks the report.
    fn end(mut self) {
        for _ in 0..2 {
            self.handle(Event::Interrupted(Interrupt::Interrupt));
        }
        let report = self.report.expect("the second interrupt leaves at once");
        let members = self.master.members();
        assert!(members == 0 || (self.quorum..=self.wanted).contains(&members), "{members} members");
        assert!(members == 0 || report.rows().len() == members, "{report:?}");
        assert_rows_complete(&report, report.rows().len());
        if !self.has_failed {
            assert_verdict_follows(&report);
        }
    }
}
