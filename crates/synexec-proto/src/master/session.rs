//! The phases in their order, and which event goes to which.

use std::net::SocketAddr;

use super::actions::Actions;
use super::awake::{AwakeClock, Deadline, Now};
use super::configuring::Configuring;
use super::executing::Executing;
use super::joining::Joining;
use super::member::{Heard, Member};
use super::starting::Starting;
use super::{Action, Event, Interrupt, Notice, PeerId, Report, Round, Row, Settings, Verdict};
use crate::message::{Features, Message};
use crate::session::Disconnect;
use crate::time::MonotonicInstant;

/// One session, from the first probe to the report.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    /// None only while one phase is made into the next.
    phase: Option<Phase>,
    /// The rounds that are over.
    rounds: Vec<Round>,
    actions: Actions,
    clock: AwakeClock,
}

#[derive(Debug)]
enum Phase {
    Joining(Joining),
    Configuring(Configuring),
    Starting(Starting),
    Executing(Executing),
    Over(Report),
}

impl Session {
    /// A session in which no slave has joined yet. The first [`Self::advance`] invites them.
    pub fn new(settings: Settings, now: MonotonicInstant) -> Self {
        let mut clock = AwakeClock::new(now);
        let joining = Joining::new(settings.clone(), clock.look(now).awake);
        let phase = Some(Phase::Joining(joining));
        Self { settings, phase, rounds: Vec::new(), actions: Actions::default(), clock }
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
        let actions = &mut self.actions;
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.advance(now, actions),
            Some(Phase::Configuring(phase)) => phase.advance(now, actions),
            Some(Phase::Starting(phase)) => phase.advance(now, actions),
            Some(Phase::Executing(phase)) => phase.advance(now, actions),
            Some(Phase::Over(_)) | None => {}
        }
        self.proceed(now);
    }

    /// When to call [`Self::advance`] next; none when the session is over.
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        let due: Deadline = match self.phase.as_ref()? {
            Phase::Joining(phase) => phase.deadline(),
            Phase::Configuring(phase) => phase.deadline(),
            Phase::Starting(phase) => phase.deadline(),
            Phase::Executing(phase) => phase.deadline(),
            Phase::Over(_) => return None,
        };
        Some(self.clock.next_look(due))
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
            Event::Interrupted(interrupt) => self.interrupt(now, interrupt),
        }
    }

    fn features(&self, peer: PeerId) -> Features {
        match &self.phase {
            Some(Phase::Joining(phase)) => phase.features(peer),
            Some(Phase::Configuring(phase)) => phase.features(peer),
            Some(Phase::Starting(phase)) => phase.features(peer),
            Some(Phase::Executing(phase)) => phase.features(peer),
            Some(Phase::Over(_)) | None => Features::NONE,
        }
    }

    fn connected(&mut self, now: Now, peer: PeerId, address: SocketAddr) {
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.connected(now, peer, address, &mut self.actions),
            _ => self.actions.close(peer),
        }
    }

    fn received(&mut self, heard: Heard) {
        let actions = &mut self.actions;
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.received(heard, actions),
            Some(Phase::Configuring(phase)) => phase.received(heard, actions),
            Some(Phase::Starting(phase)) => phase.received(heard, actions),
            Some(Phase::Executing(phase)) => phase.received(heard, actions),
            Some(Phase::Over(_)) | None => {}
        }
    }

    fn disconnected(&mut self, now: Now, peer: PeerId, why: Disconnect) {
        let actions = &mut self.actions;
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.disconnected(peer, why, actions),
            Some(Phase::Configuring(phase)) => phase.disconnected(now, peer, why, actions),
            Some(Phase::Starting(phase)) => phase.disconnected(now, peer, why, actions),
            Some(Phase::Executing(phase)) => phase.disconnected(now, peer, why, actions),
            Some(Phase::Over(_)) | None => {}
        }
    }

    fn interrupt(&mut self, now: Now, interrupt: Interrupt) {
        let ended_by = Some(Verdict::Interrupted(interrupt));
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
            over => {
                self.phase = over;
                return;
            }
        };
        self.phase = Some(self.over(rows, ended_by));
    }

    /// The conf is sent in the configuring phase alone, and nothing is started without it.
    fn conf_failed(&mut self, now: Now, why: String) {
        match self.phase.take() {
            Some(Phase::Configuring(phase)) => {
                self.actions.tell(Notice::ConfFailed { why });
                let rows = phase.into_rows(now, &mut self.actions);
                self.phase = Some(self.over(rows, Some(Verdict::MasterFailed)));
            }
            other => self.phase = other,
        }
    }

    /// Goes on to the next phase when this one has done its work, and from there if that has nothing to wait for.
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
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.call_roll(now, &mut self.actions),
            Some(Phase::Configuring(phase)) => phase.proceed(now, &mut self.actions),
            Some(Phase::Starting(phase)) => phase.proceed(now, &mut self.actions),
            Some(Phase::Executing(phase)) => phase.proceed(now, &mut self.actions),
            Some(Phase::Over(_)) | None => {}
        }
        self.phase = match self.phase.take() {
            Some(Phase::Joining(phase)) => Some(self.after_joining(now, phase)),
            Some(Phase::Configuring(phase)) => Some(self.after_configuring(now, phase)),
            Some(Phase::Starting(phase)) => Some(self.after_starting(now, phase)),
            Some(Phase::Executing(phase)) => Some(self.after_executing(now, phase)),
            over => over,
        };
    }

    fn after_joining(&mut self, now: Now, phase: Joining) -> Phase {
        if phase.is_complete() {
            let members = phase.into_members(&mut self.actions);
            Phase::Configuring(Configuring::begin(&self.settings, members, now, &mut self.actions))
        } else if phase.has_given_up(now) {
            let rows = phase.into_rows(now, false, &mut self.actions);
            self.over(rows, Some(Verdict::NotEnoughSlaves))
        } else {
            Phase::Joining(phase)
        }
    }

    fn after_configuring(&mut self, now: Now, phase: Configuring) -> Phase {
        if phase.all_accepted() {
            Phase::Starting(Starting::begin(&self.settings, phase.into_members(), now))
        } else if phase.is_called_off(now) {
            let rows = phase.into_rows(now, &mut self.actions);
            self.over(rows, None)
        } else {
            Phase::Configuring(phase)
        }
    }

    fn after_starting(&mut self, now: Now, phase: Starting) -> Phase {
        if let Some(instant) = phase.gone() {
            let members = phase.into_members();
            Phase::Executing(Executing::begin(&self.settings, members, instant, now))
        } else if phase.is_called_off() {
            let rows = phase.into_rows(now, &mut self.actions);
            self.over(rows, None)
        } else {
            Phase::Starting(phase)
        }
    }

    fn after_executing(&mut self, now: Now, phase: Executing) -> Phase {
        if !phase.is_over() {
            return Phase::Executing(phase);
        }
        let ended_by = phase.interrupted().map(Verdict::Interrupted);
        let (rows, members) = phase.into_rows();
        let is_last = self.rounds_left() == 0;
        let this = Round::new(rows);
        if ended_by.is_some() || is_last || !this.is_whole() {
            for member in &members {
                self.actions.close(member.peer);
            }
            return self.over(this.rows, ended_by);
        }
        self.rounds.push(this);
        self.next_round(now, members)
    }

    /// The round that is not over, from 1.
    fn round(&self) -> u32 {
        u32::try_from(self.rounds.len() + 1).unwrap_or(u32::MAX)
    }

    /// Rounds that are to come after this one.
    fn rounds_left(&self) -> u32 {
        self.settings.rounds.get().saturating_sub(self.round())
    }

    fn next_round(&mut self, now: Now, members: Vec<Member>) -> Phase {
        let round = self.round();
        Phase::Configuring(Configuring::begin_again(&self.settings, round, members, now, &mut self.actions))
    }

    /// The end, with the rows of the last round.
    fn over(&mut self, rows: Vec<Row>, ended_by: Option<Verdict>) -> Phase {
        if self.rounds_left() > 0 {
            self.actions.tell(Notice::RoundsLeftOut { rounds: self.rounds_left() });
        }
        let mut rounds = std::mem::take(&mut self.rounds);
        rounds.push(Round::new(rows));
        let report = Report::new(rounds, self.settings.max_skew, ended_by);
        if let (Verdict::SkewExceeded, Some(most)) = (report.verdict, self.settings.max_skew) {
            self.actions.tell(Notice::SkewExceeded { most });
        }
        Phase::Over(report)
    }
}
