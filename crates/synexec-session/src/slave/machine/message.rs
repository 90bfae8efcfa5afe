//! The messages of the master.

use super::Slave;
use crate::slave::Notice;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, ClockProbe, ClockReply, Features, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;

impl Slave {
    pub(super) fn received(&mut self, now: MonotonicInstant, frame: Frame, at: MonotonicInstant) {
        let Some(features) = self.link.features() else { return };
        self.heard(now);
        match Message::decode(frame, features) {
            Ok(message) if self.link.is_resuming() => self.first_message(now, &message),
            Ok(Message::ClockProbe(ClockProbe { sent })) => {
                self.send(Message::ClockReply(ClockReply { sent, received: at, replied: now }));
            }
            Ok(message) if self.ends_before(now, &message) => {}
            Ok(message) => self.obey(now, message),
            Err(malformed) => self.disconnected(now, malformed.into()),
        }
    }

    fn obey(&mut self, now: MonotonicInstant, message: Message) {
        match message {
            Message::Probe(capabilities) => {
                self.probed(capabilities);
                self.sample();
            }
            Message::Conf(bytes) => self.conf(bytes),
            Message::ConfBegin(begin) => self.conf_begin(begin),
            Message::ConfPart(bytes) => self.conf_part(bytes),
            Message::Hold(hold) => self.hold(hold),
            Message::Exec(at) => self.exec(now, at),
            Message::Go => self.go(now),
            Message::Stop => {
                let due = self.run.stop_for_master(now);
                self.carry_out(due);
            }
            Message::Fetch(fetch) => self.fetch(fetch),
            Message::Ack => self.run.acknowledged(),
            Message::Bye(reason) => {
                let turned_away = reason.filter(|_| !self.run.was_configured()).map(Disconnect::TurnedAway);
                self.end_session(now, turned_away.unwrap_or(Disconnect::Left));
            }
            _ => {}
        }
    }

    fn probed(&mut self, capabilities: Option<Capabilities>) {
        if let Some(Capabilities { features, name, .. }) = capabilities {
            self.link.agree(Features::ours().agreed_with(features));
            self.tell(Notice::Commanded { by: name });
        }
        self.send(Message::Reply(None));
    }
}
