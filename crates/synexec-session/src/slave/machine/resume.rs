//! Coming back to the master, when the connection has broken while a task was under way or its output is still wanted.

use super::{Conf, Link, RETRY_INTERVAL, Slave};
use crate::slave::{Action, Notice};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, Feature, Features, Message};
use synexec_proto::time::MonotonicInstant;

/// An attempt to come back, which begins when the connection breaks.
#[derive(Debug, Clone)]
pub(super) struct Resuming {
    /// When it is given up.
    until: MonotonicInstant,
    /// How the connection has ended.
    why: Disconnect,
}

impl Resuming {
    pub(super) fn until(&self) -> MonotonicInstant {
        self.until
    }
}

impl Slave {
    /// The connection has ended by itself, and with it the session, unless it can be taken up again.
    pub(super) fn disconnected(&mut self, now: MonotonicInstant, why: Disconnect) {
        if !self.is_connected() && self.link != Link::Connecting {
            return;
        }
        if self.resuming.is_some() {
            self.push(Action::Disconnect);
            self.try_again(now);
        } else if self.may_resume(&why) {
            self.resume(now, why);
        } else {
            self.end_session(now, why);
        }
    }

    fn may_resume(&self, why: &Disconnect) -> bool {
        why.may_return()
            && self.agreed(Feature::Resume)
            && self.token.is_some()
            && self.conf == Conf::Spent
            && self.shutdown.is_none()
            && !self.settings.reconnect.is_zero()
    }

    fn resume(&mut self, now: MonotonicInstant, why: Disconnect) {
        let wait = self.settings.reconnect;
        self.tell(Notice::LinkBroke { why: why.clone(), wait });
        self.push(Action::Disconnect);
        self.output.forget_fetch();
        self.report.iter_mut().for_each(|report| report.is_sent = false);
        self.resuming = Some(Resuming { until: now.plus(wait), why });
        // One that breaks whenever it stands is not dialled all the time.
        if self.resumed_at.is_some_and(|at| now.since(at) < RETRY_INTERVAL) {
            self.link = Link::RetryAt(now.plus(RETRY_INTERVAL));
        } else {
            self.dial();
        }
    }

    /// Says who it is on a connection that stands again.
    pub(super) fn greet(&mut self) {
        let token = self.token.filter(|_| self.resuming.is_some());
        let hello = Capabilities::ours(&self.settings.name).of_instance(self.settings.instance).resuming(token);
        self.send(Message::Reply(Some(hello)));
    }

    /// The first words of the master, before which nothing else counts.
    pub(super) fn is_answered(&mut self, now: MonotonicInstant, message: &Message) {
        match message {
            Message::Probe(Some(Capabilities { features, token, .. })) if token.is_some() && *token == self.token => {
                (self.resuming, self.resumed_at) = (None, Some(now));
                self.link = Link::Connected(Features::ours().agreed_with(*features));
                self.tell(Notice::Resumed);
                self.send(Message::Reply(None));
                self.refuse_again();
                self.settle(now, now);
            }
            Message::Probe(_) | Message::Bye => self.give_up(now),
            _ => {}
        }
    }

    /// Nothing acknowledges a refusal, so whether it has arrived is not known.
    fn refuse_again(&mut self) {
        if let Some(reason) = self.refusal.clone() {
            self.send_reason(reason, Message::ExecNo);
        }
    }

    pub(super) fn advance_resuming(&mut self, now: MonotonicInstant) {
        if self.resuming.as_ref().is_some_and(|resuming| now >= resuming.until) {
            self.give_up(now);
        }
    }

    /// Does not try any longer to come back.
    pub(super) fn give_up(&mut self, now: MonotonicInstant) {
        if let Some(Resuming { why, .. }) = self.resuming.take() {
            self.end_session(now, why);
        }
    }
}
