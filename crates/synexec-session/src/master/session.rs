//! The phases in their order, and which event goes to which.

use std::net::SocketAddr;

use super::actions::Actions;
use super::awake::{AwakeClock, Deadline, Now};
use super::comeback::Comeback;
use super::configuring::Configuring;
use super::executing::Executing;
use super::fetching::Fetching;
use super::heard::Heard;
use super::joining::Joining;
use super::lobby::{Lobby, Newcomer, Visitor};
use super::member::Member;
use super::phase::Phase;
use super::report::lets_round_follow;
use super::starting::Starting;
use super::{Action, Event, Notice, OutputId, OutputsWanted, PeerId, Report, Round, Row, Settings, Verdict};
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
        let trusted = self.phase.as_ref().and_then(|phase| phase.trusted_peer(token));
        if let Some(first) = trusted.filter(|_| self.clock.was_away_lately()) {
            // The slave has heard nothing because the master stood still.
            self.actions.close(peer);
            return self.actions.send(first, Message::Probe(None));
        }
        let comeback = Comeback { now, peer, token, ours: self.lobby.ours() };
        let is_ours = self.phase.as_mut().is_some_and(|phase| phase.take_back(comeback, &mut self.actions));
        if !is_ours {
            self.lobby.turn_back(peer, address, &mut self.actions);
        }
    }

    fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect) {
        if self.lobby.has(peer) {
            self.lobby.disconnected(peer, why, &mut self.actions);
        } else if let Some(phase) = &mut self.phase {
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
            phase.output_failed(now, id, why, &mut self.actions);
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

    /// Goes on to the next phase when this one is over, and further if the next one has nothing to wait for.
    fn proceed(&mut self, now: Now) {
        loop {
            let before = self.phase.as_ref().map(std::mem::discriminant);
            self.step(now);
            if self.phase.as_ref().map(std::mem::discriminant) == before {
                return;
            }
        }
    }

    fn step(&mut self, now: Now) {
        if let Some(phase) = &mut self.phase {
            phase.proceed(now, &mut self.actions);
        }
        self.phase = match self.phase.take() {
            Some(Phase::Joining(phase)) => Some(self.after_joining(now, phase)),
            Some(Phase::Configuring(phase)) => Some(self.after_configuring(now, phase)),
            Some(Phase::Starting(phase)) => Some(self.after_starting(now, phase)),
            Some(Phase::Executing(phase)) => Some(self.after_executing(now, phase)),
            Some(Phase::Fetching(phase)) => Some(self.after_fetching(now, phase)),
            over => over,
        };
    }

    fn after_joining(&mut self, now: Now, phase: Joining) -> Phase {
        if phase.is_complete() {
            self.lobby.clear(&mut self.actions);
            let members = phase.into_members(&mut self.actions);
            Phase::Configuring(Configuring::begin(&self.settings, members, now, &mut self.actions))
        } else if phase.has_given_up(now) {
            let rows = phase.into_rows(now, false, &mut self.actions);
            self.ended_by = Some(Verdict::NotEnoughSlaves);
            self.over(rows)
        } else {
            Phase::Joining(phase)
        }
    }

    fn after_configuring(&mut self, now: Now, phase: Configuring) -> Phase {
        if phase.all_accepted() {
            Phase::Starting(Starting::begin(&self.settings, phase.into_members(), now))
        } else if phase.is_called_off(now) {
            let rows = phase.into_rows(now, &mut self.actions);
            self.over(rows)
        } else {
            Phase::Configuring(phase)
        }
    }

    fn after_starting(&mut self, now: Now, phase: Starting) -> Phase {
        if let Some(instant) = phase.started_at() {
            let (members, round) = (phase.into_members(), self.round());
            let actions = &mut self.actions;
            Phase::Executing(Executing::begin(&self.settings, round, members, instant, now, actions))
        } else if phase.is_called_off() {
            let rows = phase.into_rows(now, &mut self.actions);
            self.over(rows)
        } else {
            Phase::Starting(phase)
        }
    }

    fn after_executing(&mut self, now: Now, phase: Executing) -> Phase {
        // If outputs are fetched, the answers about clocks arrive meanwhile.
        let awaits_clocks = self.settings.outputs == OutputsWanted::Nothing && phase.awaits_clocks();
        if awaits_clocks || !phase.is_over(false) || !phase.is_over(true) && self.needs_slaves(phase.rows()) {
            return Phase::Executing(phase);
        }
        if let Some(interrupt) = phase.interrupted() {
            self.ended_by = Some(Verdict::Interrupted(interrupt));
        }
        self.ordered = Some(phase.instant());
        let at_once = phase.ends_at_once();
        let members = phase.into_members();
        if self.settings.outputs == OutputsWanted::Nothing {
            return self.after_round(now, members);
        }
        let (settings, round, actions) = (&self.settings, self.round(), &mut self.actions);
        let mut phase = Fetching::begin(settings, round, members, now, actions);
        match self.ended_by {
            Some(Verdict::MasterFailed) => phase.abandon("outputs cannot be stored here any more", actions),
            Some(_) if at_once => phase.abandon("interrupted", actions),
            Some(Verdict::Interrupted(_)) => phase.wait_for_nobody(now, actions),
            _ => {}
        }
        Phase::Fetching(phase)
    }

    fn after_fetching(&mut self, now: Now, phase: Fetching) -> Phase {
        if !phase.is_over(false) || !phase.is_over(true) && self.needs_slaves(phase.rows()) {
            return Phase::Fetching(phase);
        }
        self.after_round(now, phase.into_members())
    }

    fn after_round(&mut self, now: Now, mut members: Vec<Member>) -> Phase {
        let rows = members.iter_mut().filter_map(Member::take_row).collect();
        let this = Round::new(rows, self.ordered);
        if !self.needs_slaves(this.rows.iter()) {
            for member in &members {
                member.part(&mut self.actions);
            }
            return self.over(this.rows);
        }
        self.rounds.push(this);
        self.ordered = None;
        self.next_round(now, members)
    }

    /// The number of the present round, from 1.
    fn round(&self) -> u32 {
        u32::try_from(self.rounds.len() + 1).unwrap_or(u32::MAX)
    }

    /// Whether another round that needs the slaves follows a round with these rows.
    fn needs_slaves<'a>(&self, mut rows: impl Iterator<Item = &'a Row>) -> bool {
        let on_failure = self.settings.on_failure;
        self.rounds_left() > 0 && self.ended_by.is_none() && rows.all(|row| lets_round_follow(row, on_failure))
    }

    /// Number of rounds after this one.
    fn rounds_left(&self) -> u32 {
        self.settings.rounds.get().saturating_sub(self.round())
    }

    fn next_round(&mut self, now: Now, members: Vec<Member>) -> Phase {
        let round = self.round();
        Phase::Configuring(Configuring::begin_again(&self.settings, round, members, now, &mut self.actions))
    }

    /// The end, with the rows of the last round.
    fn over(&mut self, rows: Vec<Row>) -> Phase {
        self.lobby.clear(&mut self.actions);
        if self.rounds_left() > 0 {
            self.actions.tell(Notice::RoundsLeftOut { rounds: self.rounds_left() });
        }
        let mut rounds = std::mem::take(&mut self.rounds);
        rounds.push(Round::new(rows, self.ordered));
        let ended_by = self.ended_by.or(self.failed.then_some(Verdict::MasterFailed));
        let report = Report::new(rounds, self.settings.max_skew, ended_by);
        if let (Verdict::SkewExceeded, Some(most)) = (report.verdict, self.settings.max_skew) {
            self.actions.tell(Notice::SkewExceeded { most });
        }
        Phase::Over(report)
    }
}
