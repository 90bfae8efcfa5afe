//! Tasks that are ended early: their time is over, a slave is lost, or the user asks for an end.

use super::super::actions::Actions;
use super::super::awake::{AwakeInstant, Now};
use super::super::stopping::Stopping;
use super::super::{Loss, Notice, Outcome, PeerId};
use super::Executing;
use super::run::Run;
use crate::interrupt::Interrupt;
use synexec_proto::message::{Feature, Message};

impl Executing {
    /// The user asks for an end: the tasks are told to stop. After a second request the master waits for nothing more.
    pub(in crate::master) fn interrupt(&mut self, now: Now, interrupt: Interrupt, actions: &mut Actions) {
        let running = self.running();
        match &mut self.stopping {
            Some(stopping) if stopping.interrupt.is_some() => {
                stopping.at_once = true;
                self.hurry(now.awake);
            }
            Some(stopping) => {
                actions.tell(Notice::Stopping { interrupt, running });
                *stopping = Stopping::begin(now, Some(interrupt), self.lost_after, self.reconnect);
                let until = stopping.deadline(now.awake);
                self.hurry(until);
            }
            None => {
                actions.tell(Notice::Stopping { interrupt, running });
                self.stop_all(now, Some(interrupt), actions);
            }
        }
    }

    /// Waits for no stopping slave beyond this instant, whether it is away or not.
    fn hurry(&mut self, until: AwakeInstant) {
        self.slaves.for_each_mut(|slave| {
            if let Run::Stopping { by, spares_absent } = &mut slave.state {
                (*by, *spares_absent) = ((*by).min(until), false);
            }
        });
    }

    pub(super) fn time_out(&mut self, now: Now, actions: &mut Actions) {
        let (running, timeout) = (self.running(), self.timeout.map(|timeout| timeout.time).unwrap_or_default());
        if running > 0 {
            actions.tell(Notice::TimedOut { timeout, running });
            self.stop_all(now, None, actions);
        }
    }

    /// Tells all tasks to stop, unless they were already told.
    pub(super) fn stop_all(&mut self, now: Now, interrupt: Option<Interrupt>, actions: &mut Actions) {
        if self.stopping.is_some() {
            return;
        }
        let stopping = Stopping::begin(now, interrupt, self.lost_after, self.reconnect);
        self.stopping = Some(stopping);
        for peer in self.slaves.peers() {
            self.stop(now, stopping, peer, actions);
        }
    }

    /// How the user ended the session early, if so.
    pub(in crate::master) fn interrupted(&self) -> Option<Interrupt> {
        self.stopping.and_then(|stopping| stopping.interrupt)
    }

    /// Whether the master waits for nothing more, not even for outputs.
    pub(in crate::master) fn ends_at_once(&self) -> bool {
        self.stopping.is_some_and(|stopping| stopping.at_once)
    }

    fn stop(&mut self, now: Now, stopping: Stopping, peer: PeerId, actions: &mut Actions) {
        let Some(mut slave) = self.slaves.get_mut(peer) else { return };
        match slave.state {
            Run::Done => {}
            Run::Due(_) => {
                let row = slave.member.row(Outcome::Cancelled, self.instant);
                slave.settle(row);
            }
            _ if slave.member.has(Feature::Stop) => {
                slave.member.send(Message::Stop, actions);
                let by = stopping.deadline(now.awake);
                slave.state = Run::Stopping { by, spares_absent: stopping.spares_absent() };
            }
            _ => {
                drop(slave);
                self.lose(now, peer, Loss::CannotStop, actions);
            }
        }
    }

    /// The outcome of a slave that is lost. An original slave cannot be told to stop when the time of its task is over, so
    /// its task counts as timed out.
    pub(super) fn outcome_of_loss(&self, now: Now, why: &Loss) -> Outcome {
        match (why, self.timeout) {
            (Loss::CannotStop, Some(timeout)) if timeout.has_stopped(false, None) && self.interrupted().is_none() => {
                Outcome::TimedOut(timeout.time)
            }
            _ => self.start.lost(now.awake, why.clone()),
        }
    }
}
