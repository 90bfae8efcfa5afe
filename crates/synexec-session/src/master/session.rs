//! A session as a whole, and which event goes to which phase.

mod next_phase;

use std::net::SocketAddr;

use super::actions::Actions;
use super::awake::{AwakeClock, Deadline, Now};
use super::comeback::Comeback;
use super::heard::Heard;
use super::joining::Joining;
use super::lobby::{Claim, Lobby, Newcomer, Second, Visitor};
use super::phase::Phase;
use super::{Action, Event, Notice, OutputId, PeerId, Report, Round, Settings, Verdict};
use crate::interrupt::Interrupt;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Features, Message, ResumeToken};
use synexec_proto::time::MonotonicInstant;

/// One session, from the first probe to the report.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    lobby: Lobby,
    /// None only while one phase turns into the next.
    phase: Option<Phase>,
    /// The rounds that are over.
    rounds: Vec<Round>,
    /// The instant of the start in the present round, once the start has happened.
    ordered: Option<MonotonicInstant>,
    /// The verdict, if something other than the rows decides it.
    ended_by: Option<Verdict>,
    /// Whether this host could not store an output, though the session goes on.
    failed: bool,
    actions: Actions,
    clock: AwakeClock,
}

impl Session {
    /// A session in which no slave has joined yet. The first [`Self::advance`] invites them.
    pub fn new(settings: Settings, now: MonotonicInstant) -> Self {
        let mut clock = AwakeClock::new(now);
        let joining = Joining::new(settings.clone(), clock.look(now).awake);
        Self {
            lobby: Lobby::new(settings.name.clone()),
            settings,
            phase: Some(Phase::Joining(joining)),
            rounds: Vec::new(),
            ordered: None,
            ended_by: None,
            failed: false,
            actions: Actions::default(),
            clock,
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: MonotonicInstant, event: Event) {
        let now = self.clock.look(now);
        self.deliver(now, event);
        self.proceed(now);
    }

    /// Does what is due at this instant.
    pub fn advance(&mut self, now: MonotonicInstant) {
        let now = self.clock.look(now);
        if !self.clock.is_catching_up() {
            self.lobby.advance(now, &mut self.actions);
            if let Some(phase) = &mut self.phase {
                phase.advance(now, &mut self.actions);
            }
        }
        self.proceed(now);
    }

    /// When to call [`Self::advance`] next; none when the session is over.
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        let due = self.phase.as_ref()?.deadline()?;
        let awake = due.awake.into_iter().chain(self.lobby.deadline()).min();
        Some(self.clock.next_look(Deadline { awake, ..due }))
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop()
    }

    /// The report, once the session is over.
    pub fn report(&self) -> Option<&Report> {
        if let Some(Phase::Over(report)) = &self.phase { Some(report) } else { None }
    }

    fn deliver(&mut self, now: Now, event: Event) {
        match event {
            Event::Connected { peer, address } => self.connected(now, peer, address),
            Event::NoRoom => self.lobby.make_room(&mut self.actions),
            Event::Received { peer, frame, at } => match Message::decode(frame, self.features(peer)) {
                Ok(message) => self.received(Heard { now, peer, message, at }),
                Err(malformed) => self.disconnected(now, peer, malformed.into()),
            },
            Event::Disconnected { peer, why } => self.disconnected(now, peer, why),
            Event::ConfSent { peer } => {
                if let Some(Phase::Configuring(phase)) = &mut self.phase {
                    phase.conf_sent(now, peer);
                }
            }
            Event::ConfFailed { why } => self.conf_failed(now, why),
            Event::OutputStored { id } => {
                if let Some(phase) = &mut self.phase {
                    phase.output_stored(now, id, &mut self.actions);
                }
            }
            Event::OutputDiffers { id } => {
                if let Some(phase) = &mut self.phase {
                    phase.output_differs(now, id, &mut self.actions);
                }
            }
            Event::OutputFailed { id, why } => self.output_failed(now, id, &why),
            Event::OutputsFailed { why } => self.outputs_failed(why),
            Event::RivalHeard { theirs, ours } => {
                if let Some(Phase::Joining(phase)) = &mut self.phase {
                    phase.rival_heard(now, theirs, ours, &mut self.actions);
                }
            }
            Event::Interrupted(interrupt) => self.interrupt(now, interrupt),
        }
    }

    fn features(&self, peer: PeerId) -> Features {
        if self.lobby.has(peer) {
            return self.lobby.features(peer);
        }
        self.phase.as_ref().map_or(Features::NONE, |phase| phase.features(peer))
    }

    fn connected(&mut self, now: Now, peer: PeerId, address: SocketAddr) {
        match &self.phase {
            Some(Phase::Over(_)) | None => self.actions.close(peer),
            Some(_) => self.lobby.connected(now, peer, address, &mut self.actions),
        }
    }

    fn received(&mut self, heard: Heard) {
        if self.lobby.has(heard.peer) {
            return self.visited(&heard);
        }
        if let Message::Bye(_) = heard.message {
            return self.disconnected(heard.now, heard.peer, Disconnect::Left);
        }
        if let Some(phase) = &mut self.phase {
            phase.received(heard, &mut self.actions);
        }
    }

    /// A stranger has said something, which may show that it is a slave.
    fn visited(&mut self, heard: &Heard) {
        match self.lobby.received(heard, &mut self.actions) {
            Some(Visitor::Newcomer(newcomer)) => self.joins(heard.now, heard.peer, newcomer),
            Some(Visitor::Returning { token, address }) => self.returns(heard.now, heard.peer, token, address),
            Some(Visitor::Proven { token, address }) => self.moves(heard.now, heard.peer, token, address),
            None => {}
        }
    }

    fn joins(&mut self, now: Now, peer: PeerId, newcomer: Newcomer) {
        if let Some(Phase::Joining(phase)) = &mut self.phase {
            phase.join(now, peer, newcomer, &mut self.actions);
        } else {
            self.actions.close(peer);
            self.actions.tell(Notice::NotNeeded { address: newcomer.label.address });
        }
    }

    fn returns(&mut self, now: Now, peer: PeerId, token: ResumeToken, address: SocketAddr) {
        match self.phase.as_ref().and_then(|phase| phase.first_connection(token)) {
            // The slave has heard nothing because the master stood still.
            Some(first) if first.is_trusted && self.clock.was_away_lately() => {
                self.actions.close(peer);
                self.actions.send(first.peer, Message::Probe(None));
            }
            Some(first) => {
                let claim = Claim::new(token, first.peer);
                self.lobby.probe_second(now, peer, address, claim, &mut self.actions);
            }
            None => {
                let ours = Some(self.lobby.ours());
                if !self.takes_back(Comeback { now, peer, token, ours }) {
                    self.lobby.turn_back(peer, address, &mut self.actions);
                }
            }
        }
    }

    /// A slave has answered on its second connection, and leaves the first one.
    fn moves(&mut self, now: Now, peer: PeerId, token: ResumeToken, address: SocketAddr) {
        if !self.takes_back(Comeback { now, peer, token, ours: None }) {
            self.dismiss_second(peer, address);
        }
    }

    /// The first connection of a slave has broken. If there is a second one, the slave goes on there. Returns whether it does.
    fn goes_on_second(&mut self, now: Now, first: PeerId) -> bool {
        let Some(Second { peer, token, address }) = self.lobby.take_second(first) else { return false };
        let goes_on = self.takes_back(Comeback { now, peer, token, ours: None });
        if !goes_on {
            self.dismiss_second(peer, address);
        }
        goes_on
    }

    fn dismiss_second(&mut self, peer: PeerId, address: SocketAddr) {
        self.actions.dismiss(peer, Features::ours(), None);
        self.actions.tell(Notice::NotNeeded { address });
    }

    fn takes_back(&mut self, comeback: Comeback) -> bool {
        self.phase.as_mut().is_some_and(|phase| phase.take_back(comeback, &mut self.actions))
    }

    fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect) {
        if self.lobby.has(peer) {
            self.lobby.disconnected(peer, why, &mut self.actions);
        } else if !(why.may_return() && self.goes_on_second(now, peer))
            && let Some(phase) = &mut self.phase
        {
            phase.disconnected(now, peer, why, &mut self.actions);
        }
    }

    fn interrupt(&mut self, now: Now, interrupt: Interrupt) {
        let ended_by = Verdict::Interrupted(interrupt);
        let rows = match self.phase.take() {
            Some(Phase::Joining(phase)) => phase.into_rows(now, true, &mut self.actions),
            Some(Phase::Configuring(phase)) => phase.into_rows(now, &mut self.actions),
            Some(Phase::Starting(phase)) => phase.into_rows(now, &mut self.actions),
            Some(Phase::Executing(mut phase)) => {
                phase.interrupt(now, interrupt, &mut self.actions);
                phase.advance(now, &mut self.actions);
                self.phase = Some(Phase::Executing(phase));
                return;
            }
            Some(Phase::Fetching(mut phase)) => {
                phase.abandon("interrupted", &mut self.actions);
                self.phase = Some(Phase::Fetching(phase));
                self.ended_by = Some(ended_by);
                return;
            }
            over => {
                self.phase = over;
                return;
            }
        };
        self.ended_by = Some(ended_by);
        self.phase = Some(self.over(rows));
    }

    /// One output cannot be stored. The others are kept, but the session has failed.
    fn output_failed(&mut self, now: Now, id: OutputId, why: &str) {
        let why = format!("it could not be stored: {why}");
        if let Some(phase) = &mut self.phase {
            phase.output_failed(now, id, &why, &mut self.actions);
        }
        self.failed = true;
    }

    /// No output can be stored any more. The fetched outputs are kept and the tasks run on, but the session has failed.
    fn outputs_failed(&mut self, why: String) {
        let reason = format!("it could not be stored: {why}");
        if let Some(phase) = &mut self.phase {
            phase.abandon_outputs(&reason, &mut self.actions);
        }
        self.ended_by.get_or_insert(Verdict::MasterFailed);
        self.actions.tell(Notice::OutputsFailed { why });
    }

    /// The conf cannot be read any more. It is sent only in the configuring phase, and no task is started without it.
    fn conf_failed(&mut self, now: Now, why: String) {
        match self.phase.take() {
            Some(Phase::Configuring(phase)) => {
                self.actions.tell(Notice::ConfFailed { why });
                let rows = phase.into_rows(now, &mut self.actions);
                self.ended_by = Some(Verdict::MasterFailed);
                self.phase = Some(self.over(rows));
            }
            other => self.phase = other,
        }
    }
}
