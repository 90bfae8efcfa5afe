//! The conf: receiving it, and having its task held.

use super::Slave;
use crate::slave::run::Part;
use crate::slave::{Action, ExitCause, Notice};
use synexec_proto::message::{ConfBegin, Feature, Held, Hold, Message, Reason};
use synexec_proto::time::MonotonicInstant;

impl Slave {
    pub(super) fn conf(&mut self, bytes: Vec<u8>) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.admit_conf(length) {
            self.compare_rank(None);
            self.push(Action::BeginConf(None));
            self.push(Action::StoreConf(bytes));
            self.end_conf();
        }
    }

    pub(super) fn conf_begin(&mut self, begin: ConfBegin) {
        if !self.admit_conf(begin.length) {
            return;
        }
        self.compare_rank(Some(begin.rank));
        self.link.set_terms(begin.token, begin.heartbeat);
        self.run.receive_conf(begin.length, begin.progress);
        let is_empty = begin.length == 0;
        self.push(Action::BeginConf(Some(begin)));
        if is_empty {
            self.end_conf();
        }
    }

    pub(super) fn conf_part(&mut self, bytes: Vec<u8>) {
        let part = self.run.receive_part(bytes.len());
        match part {
            Part::Unexpected => {}
            Part::TooLong => self.decline(Reason::new("the conf is longer than was announced")),
            Part::More | Part::Last => self.push(Action::StoreConf(bytes)),
        }
        if part == Part::Last {
            self.end_conf();
        }
    }

    /// Makes room for a new conf, which replaces the one before. Returns whether it is admitted: not while a task is
    /// under way, and not a conf that is too large. Nothing of it is stored before this.
    fn admit_conf(&mut self, length: u64) -> bool {
        if let Err(reason) = self.run.check_idle() {
            self.send_reason(reason, Message::ConfNo);
            return false;
        }
        self.discard_conf();
        self.run.begin_session();
        self.link.set_terms(None, None);
        let most = self.settings.max_conf;
        let fits = length <= most;
        if !fits {
            let reason = format!("the conf has {length} bytes; this slave takes at most {most} (--max-conf)");
            self.decline(Reason::new(&reason));
        }
        fits
    }

    /// Tells the user if the master gives another rank than the slave asks for. A master of an earlier version does so.
    fn compare_rank(&mut self, given: Option<u32>) {
        if let Some(asked) = self.settings.rank.filter(|asked| given != Some(*asked)) {
            self.tell(Notice::OtherRank { asked, given });
        }
    }

    fn end_conf(&mut self) {
        self.push(Action::EndConf);
        self.run.prepare();
    }

    pub(super) fn hold(&mut self, Hold { round }: Hold) {
        match self.run.hold_again() {
            Ok(()) => self.push(Action::Hold { round: Some(round) }),
            Err(reason) => self.send_reason(reason, Message::ConfNo),
        }
    }

    pub(super) fn prepared(&mut self, now: MonotonicInstant, result: Result<Held, Reason>) {
        let is_awaited = self.run.is_preparing();
        match result {
            Ok(held) => {
                if is_awaited {
                    self.accept(held);
                }
                self.start_if_ordered(now);
            }
            Err(reason) => {
                if is_awaited {
                    self.decline(reason.clone());
                }
                if self.run.is_start_awaited() {
                    self.not_started(now, reason, ExitCause::Declined);
                }
            }
        }
    }

    fn accept(&mut self, held: Held) {
        self.run.accept();
        self.tell(Notice::Accepted(held));
        let held = self.link.has_agreed(Feature::Start).then_some(held);
        self.send(Message::ConfOk(held));
    }

    fn decline(&mut self, reason: Reason) {
        self.discard_conf();
        self.run.decline();
        self.tell(Notice::Declined(reason.clone()));
        self.send_reason(reason, Message::ConfNo);
    }

    pub(super) fn discard_conf(&mut self) {
        if self.run.discard_conf() {
            self.push(Action::Discard);
        }
    }
}
