//! A connection that may be dead, although nothing has reported a break. The slave keeps it, since the master may only be
//! stopped, and tries to resume the session on a second connection.

use super::Slave;
use crate::slave::{Action, Notice};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, Features, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;

impl Slave {
    /// When the slave suspects that its connection is dead, unless a message comes before.
    pub(super) fn suspicious_at(&self) -> Option<MonotonicInstant> {
        let reported = self.run.unacknowledged_since();
        self.can_resume().then(|| self.link.suspicious_at(reported)).flatten()
    }

    /// Begins to suspect the connection when that is due, and gives up a second connection on which the master does not
    /// answer.
    pub(super) fn advance_suspicion(&mut self, now: MonotonicInstant) {
        if let Some(due) = self.suspicious_at().filter(|due| now >= *due)
            && let Some(action) = self.link.suspect(now, due)
        {
            self.tell(Notice::Suspicious { silence: self.link.silence(now) });
            self.push(action);
        }
        if self.link.is_answer_overdue(now) {
            self.drop_second(now);
        }
    }

    /// A message has come on the connection of the session, which is therefore alive.
    pub(super) fn heard(&mut self, now: MonotonicInstant) {
        self.run.heard();
        if self.link.heard(now) {
            self.push(Action::CloseSecond);
            self.tell(Notice::Trusted);
        }
    }

    /// A message has come on the second connection. The session moves there if the master recognises this slave; otherwise
    /// the slave keeps the first connection, which may still be alive.
    pub(super) fn second_received(&mut self, now: MonotonicInstant, frame: Frame) {
        if !self.link.is_suspecting() {
            return;
        }
        match Message::decode(frame, Features::ours()) {
            Ok(Message::Probe(Some(Capabilities { features, token, .. }))) => {
                if self.link.try_recognise(now, token, Features::ours().agreed_with(features)) {
                    self.push(Action::UseSecond);
                    self.run.link_broke();
                    self.recognised(now);
                } else {
                    self.drop_second(now);
                }
            }
            Ok(Message::Probe(None) | Message::Bye(_)) | Err(_) => self.drop_second(now),
            Ok(_) => {}
        }
    }

    /// The second connection has ended by itself.
    pub(super) fn second_ended(&mut self, now: MonotonicInstant, why: &Disconnect) {
        if self.link.is_suspecting() {
            self.tell(Notice::ConnectFailed(why.to_string()));
            self.drop_second(now);
        }
    }

    /// Closes the second connection; the next attempt follows after a pause.
    fn drop_second(&mut self, now: MonotonicInstant) {
        self.push(Action::CloseSecond);
        self.link.attempt_failed(now);
    }
}
