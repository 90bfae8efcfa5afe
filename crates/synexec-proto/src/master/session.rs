//! The phases in their order, and which event goes to which.

use super::actions::Actions;
use super::configuring::Configuring;
use super::executing::Executing;
use super::joining::Joining;
use super::{Action, Event, Interrupt, Notice, Report, Settings, Verdict};
use crate::time::MonotonicInstant;

/// One session, from the first probe to the report.
#[derive(Debug)]
pub struct Session {
    /// None only while one phase is made into the next.
    phase: Option<Phase>,
    actions: Actions,
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
        Self { phase: Some(Phase::Joining(Joining::new(settings, now))), actions: Actions::default() }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: MonotonicInstant, event: Event) {
        match event {
            Event::Interrupted(interrupt) => self.interrupt(now, interrupt),
            Event::ConfFailed { why } => self.conf_failed(why),
            other => self.deliver(now, other),
        }
        self.proceed(now);
    }

    /// Does what is due at this instant.
    pub fn advance(&mut self, now: MonotonicInstant) {
        let actions = &mut self.actions;
        match &mut self.phase {
            Some(Phase::Joining(phase)) => phase.advance(now, actions),
            Some(Phase::Configuring(phase)) => phase.advance(now, actions),
            Some(Phase::Executing(phase)) => phase.advance(now, actions),
            Some(Phase::Over(_)) | None => {}
        }
        self.proceed(now);
    }

    /// When to call [`Self::advance`] next.
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        match self.phase.as_ref()? {
            Phase::Joining(phase) => phase.deadline(),
            Phase::Configuring(phase) => phase.deadline(),
            Phase::Executing(phase) => phase.deadline(),
            Phase::Over(_) => None,
        }
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
        let actions = &mut self.actions;
        let Some(phase) = &mut self.phase else { return };
        match (phase, event) {
            (Phase::Joining(phase), Event::Connected { peer, address }) => phase.connected(now, peer, address, actions),
            (_, Event::Connected { peer, .. }) => actions.close(peer),
            (Phase::Joining(phase), Event::Received { peer, message }) => phase.received(now, peer, &message, actions),
            (Phase::Joining(phase), Event::Disconnected { peer, why }) => phase.disconnected(peer, why, actions),
            (Phase::Configuring(phase), Event::Received { peer, message }) => {
                phase.received(now, peer, message, actions);
            }
            (Phase::Configuring(phase), Event::ConfSent { peer }) => phase.conf_sent(now, peer),
            (Phase::Configuring(phase), Event::Disconnected { peer, why }) => {
                phase.disconnected(now, peer, why, actions);
            }
            (Phase::Executing(phase), Event::Received { peer, message }) => phase.received(now, peer, message, actions),
            (Phase::Executing(phase), Event::Disconnected { peer, why }) => {
                phase.disconnected(now, peer, why, actions);
            }
            (_, Event::ConfSent { .. } | Event::ConfFailed { .. } | Event::Interrupted(_)) | (Phase::Over(_), _) => {}
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
