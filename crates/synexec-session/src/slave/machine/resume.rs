//! Resuming the session after its connection broke while a task was under way or the master could still fetch its
//! output.

use super::Slave;
use crate::slave::{Action, Notice};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, Features, Message};
use synexec_proto::time::MonotonicInstant;

impl Slave {
    /// The connection has ended by itself, and the session with it unless it can be resumed.
    pub(super) fn disconnected(&mut self, now: MonotonicInstant, why: Disconnect) {
        if !self.link.is_in_use() {
            return;
        }
        if self.link.is_resuming() {
            self.push(Action::Disconnect);
            let after = self.link.attempt_failed(now);
            self.after_failure(now, after);
        } else if self.may_resume(&why) {
            self.resume(now, why);
        } else {
            self.end_session(now, why);
        }
    }

    fn may_resume(&self, why: &Disconnect) -> bool {
        why.may_return() && self.can_resume()
    }

    /// Whether the session can move to another connection.
    pub(super) fn can_resume(&self) -> bool {
        self.link.can_be_resumed()
            && self.run.can_be_resumed()
            && self.shutdown.is_none()
            && !self.settings.reconnect.is_zero()
    }

    fn resume(&mut self, now: MonotonicInstant, why: Disconnect) {
        let wait = self.settings.reconnect;
        self.tell(Notice::LinkBroke { why: why.clone(), wait });
        self.run.link_broke();
        self.actions.extend(self.link.resume(now, wait, why).into_iter().flatten());
    }

    /// The master's first message on a resumed connection: it recognises this slave, or the session is over.
    pub(super) fn first_message(&mut self, now: MonotonicInstant, message: &Message) {
        match message {
            Message::Probe(capabilities) => self.recognise_or_give_up(now, capabilities.as_ref()),
            Message::Bye(_) => self.give_up(now),
            _ => {}
        }
    }

    fn recognise_or_give_up(&mut self, now: MonotonicInstant, master: Option<&Capabilities>) {
        let is_recognised = master.is_some_and(|Capabilities { features, token, .. }| {
            self.link.try_recognise(now, *token, Features::ours().agreed_with(*features))
        });
        if !is_recognised {
            return self.give_up(now);
        }
        self.recognised(now);
    }

    /// The master has recognised this slave on a new connection, and the session goes on there.
    pub(super) fn recognised(&mut self, now: MonotonicInstant) {
        self.tell(Notice::Resumed);
        self.send(Message::Reply(None));
        self.refuse_again();
        self.finish_if_idle(now, now);
    }

    /// Sends a refusal again: the master acknowledges no refusal, so it may not know.
    fn refuse_again(&mut self) {
        if let Some(reason) = self.run.refusal() {
            self.send_reason(reason, Message::ExecNo);
        }
    }

    /// Does not try any longer to resume the session.
    pub(super) fn give_up(&mut self, now: MonotonicInstant) {
        if let Some(why) = self.link.give_up() {
            self.end_session(now, why);
        }
    }
}
