//! The phases in their order, and which event goes to which.

use std::net::SocketAddr;

use super::actions::Actions;
use super::awake::AwakeClock;
use super::configuring::Configuring;
use super::executing::Executing;
use super::joining::Joining;
use super::{Action, Event, Interrupt, Notice, PeerId, Report, Settings, Verdict};
use crate::message::{Features, Message};
use crate::session::Disconnect;
use crate::time::MonotonicInstant;

/// One session, from the first probe to the report.
#[derive(Debug)]
pub struct Session {
    /// None only while one phase is made into the next.
    phase: Option<Phase>,
    actions: Actions,
    clock: AwakeClock,
}

#[derive(Debug)]
enum Phase {
    Joining(Joining),
    Configuring(Configuring),
    Executing(Executing),
    Over(Report),
}

impl Session {
    /// A session in which no slave has joined yet. The first [`Self::advance`] invites them.
    pub fn new(settings: Settings, now: MonotonicInstant) -> Self {
        Self {
            phase: Some(Phase::Joining(Joining::new(settings, now))),
            actions: Actions::default(),
            clock: AwakeClock::new(now),
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
        let actions = &mut self.actions;
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.advance(now, actions),
            Some(Phase::Configuring(phase)) => phase.advance(now, actions),
            Some(Phase::Executing(phase)) => phase.advance(now, actions),
            Some(Phase::Over(_)) | None => {}
        }
        self.proceed(now);
    }

    /// When to call [`Self::advance`] next; none when the session is over.
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        let due = match self.phase.as_ref()? {
            Phase::Joining(phase) => phase.deadline(),
            Phase::Configuring(phase) => phase.deadline(),
            Phase::Executing(phase) => phase.deadline(),
            Phase::Over(_) => return None,
        };
        Some(self.clock.next_look(due.unwrap_or(MonotonicInstant::LAST)))
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop()
    }

    /// The report, once the session is over.
    pub fn report(&self) -> Option<&Report> {
        if let Some(Phase::Over(report)) = &self.phase { Some(report) } else { None }
    }

    fn deliver(&mut self, now: MonotonicInstant, event: Event) {
        match event {
            Event::Connected { peer, address } => self.connected(now, peer, address),
            Event::Received { peer, frame } => match Message::decode(frame, self.features(peer)) {
                Ok(message) => self.received(now, peer, message),
                Err(malformed) => self.disconnected(now, peer, malformed.into()),
            },
            Event::Disconnected { peer, why } => self.disconnected(now, peer, why),
            Event::ConfSent { peer } => {
                if let Some(Phase::Configuring(phase)) = &mut self.phase {
                    phase.conf_sent(now, peer);
                }
            }
            Event::ConfFailed { why } => self.conf_failed(why),
            Event::Interrupted(interrupt) => self.interrupt(now, interrupt),
        }
    }

    fn features(&self, peer: PeerId) -> Features {
        match &self.phase {
            Some(Phase::Joining(phase)) => phase.features(peer),
            Some(Phase::Configuring(phase)) => phase.features(peer),
            Some(Phase::Executing(phase)) => phase.features(peer),
            Some(Phase::Over(_)) | None => Features::NONE,
        }
    }

    fn connected(&mut self, now: MonotonicInstant, peer: PeerId, address: SocketAddr) {
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.connected(now, peer, address, &mut self.actions),
            _ => self.actions.close(peer),
        }
    }

    fn received(&mut self, now: MonotonicInstant, peer: PeerId, message: Message) {
        let actions = &mut self.actions;
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.received(now, peer, &message, actions),
            Some(Phase::Configuring(phase)) => phase.received(now, peer, message, actions),
            Some(Phase::Executing(phase)) => phase.received(now, peer, message, actions),
            Some(Phase::Over(_)) | None => {}
        }
    }

    fn disconnected(&mut self, now: MonotonicInstant, peer: PeerId, why: Disconnect) {
        let actions = &mut self.actions;
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.disconnected(peer, why, actions),
            Some(Phase::Configuring(phase)) => phase.disconnected(now, peer, why, actions),
            Some(Phase::Executing(phase)) => phase.disconnected(now, peer, why, actions),
            Some(Phase::Over(_)) | None => {}
        }
    }

    fn interrupt(&mut self, now: MonotonicInstant, interrupt: Interrupt) {
        let actions = &mut self.actions;
        self.phase = self.phase.take().map(|phase| match phase {
            Phase::Joining(phase) => Phase::Over(phase.into_report(Some(interrupt), actions)),
            Phase::Configuring(phase) => Phase::Over(phase.into_report(Some(Verdict::Interrupted(interrupt)), actions)),
            Phase::Executing(mut phase) => {
                phase.interrupt(now, interrupt, actions);
                phase.advance(now, actions);
                Phase::Executing(phase)
            }
            over @ Phase::Over(_) => over,
        });
    }

    /// The conf is sent in the configuring phase alone, and nothing is started without it.
    fn conf_failed(&mut self, why: String) {
        let actions = &mut self.actions;
        self.phase = self.phase.take().map(|phase| match phase {
            Phase::Configuring(phase) => {
                actions.tell(Notice::ConfFailed { why });
                Phase::Over(phase.into_report(Some(Verdict::MasterFailed), actions))
            }
            other => other,
        });
    }

    /// Goes on to the next phase when this one has done its work.
    fn proceed(&mut self, now: MonotonicInstant) {
        let actions = &mut self.actions;
        if let Some(Phase::Joining(phase)) = &mut self.phase {
            phase.call_roll(now, actions);
        }
        self.phase = self.phase.take().map(|phase| match phase {
            Phase::Joining(phase) if phase.is_complete() => {
                let (settings, members) = phase.into_members(actions);
                Phase::Configuring(Configuring::begin(settings, members, now, actions))
            }
            Phase::Joining(phase) if phase.has_given_up(now) => Phase::Over(phase.into_report(None, actions)),
            Phase::Configuring(phase) if phase.all_accepted() => {
                let (settings, members) = phase.into_members();
                Phase::Executing(Executing::begin(&settings, members, now, actions))
            }
            Phase::Configuring(phase) if phase.is_called_off(now) => Phase::Over(phase.into_report(None, actions)),
            Phase::Executing(phase) if phase.is_over() => Phase::Over(phase.into_report(actions)),
            other => other,
        });
    }
}
