//! Tasks that are ended early: their time is over, a slave is lost, or the user wants it.

use super::{Executing, Run};
use crate::interrupt::Interrupt;
use crate::master::actions::Actions;
use crate::master::awake::{AwakeInstant, Now};
use crate::master::stopping::Stopping;
use crate::master::{Loss, Notice, Outcome, PeerId};
use synexec_proto::message::{Feature, Message};

impl Executing {
    /// The user wants an end: the tasks are told to stop; said again, nothing more is waited for.
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

    /// Waits for nobody longer than until then.
    fn hurry(&mut self, until: AwakeInstant) {
        for slave in self.slaves.iter_mut() {
            if let Run::Stopping(by) = &mut slave.state {
                *by = (*by).min(until);
            }
        }
    }

    pub(super) fn time_out(&mut self, now: Now, actions: &mut Actions) {
        let (running, timeout) = (self.running(), self.timeout.map(|timeout| timeout.time).unwrap_or_default());
        if running > 0 {
            actions.tell(Notice::TimedOut { timeout, running });
            self.stop_all(now, None, actions);
        }
    }

    /// Tells the tasks to stop, unless they were told so already.
    pub(super) fn stop_all(&mut self, now: Now, interrupt: Option<Interrupt>, actions: &mut Actions) {
        if self.stopping.is_some() {
            return;
        }
        let stopping = Stopping::begin(now, interrupt, self.lost_after, self.reconnect);
        self.stopping = Some(stopping);
        let peers: Vec<_> = self.slaves.iter().map(|slave| slave.member.peer).collect();
        for peer in peers {
            self.stop(now, stopping, peer, actions);
        }
    }

    /// How many have not ended.
    pub(super) fn running(&self) -> usize {
        self.slaves.iter().filter(|slave| !slave.is_settled()).count()
    }

    /// How the user ended the session early, if so.
    pub(in crate::master) fn interrupted(&self) -> Option<Interrupt> {
        self.stopping.and_then(|stopping| stopping.interrupt)
    }

    /// Whether nothing more is to be waited for, outputs neither.
    pub(in crate::master) fn ends_at_once(&self) -> bool {
        self.stopping.is_some_and(|stopping| stopping.at_once)
    }

    fn stop(&mut self, now: Now, stopping: Stopping, peer: PeerId, actions: &mut Actions) {
        let Some(slave) = self.slaves.get_mut(peer) else { return };
        match slave.state {
            Run::Done(_) => {}
            Run::Due(_) => {
                slave.state = Run::Done(Box::new(slave.member.row(Outcome::Cancelled, self.instant)));
            }
            _ if slave.member.has(Feature::Stop) => {
                slave.member.send(Message::Stop, actions);
                slave.state = Run::Stopping(stopping.deadline(now.awake));
            }
            _ => self.lose(now, peer, Loss::CannotStop, actions),
        }
    }

    /// An original slave cannot be told to stop when its task's time is over.
    pub(super) fn outcome_of_loss(&self, now: Now, why: &Loss) -> Outcome {
        match (why, self.timeout) {
            (Loss::CannotStop, Some(timeout)) if timeout.has_stopped(false, None) && self.interrupted().is_none() => {
                Outcome::TimedOut(timeout.time)
            }
            _ => self.start.lost(now.awake, why.clone()),
        }
    }
}
