//! The conf: receiving it, and having its task held.

use super::output::OutputState;
use super::{Conf, Slave};
use crate::slave::task::Task;
use crate::slave::{Action, ExitCause, Notice};
use synexec_proto::message::{ConfBegin, Feature, Held, Hold, Message, Reason};
use synexec_proto::time::MonotonicInstant;

impl Slave {
    pub(super) fn conf(&mut self, bytes: Vec<u8>) {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.accepts_conf() && self.has_room_for(length) {
            self.push(Action::BeginConf(None));
            self.push(Action::StoreConf(bytes));
            self.end_conf();
        }
    }

    pub(super) fn conf_begin(&mut self, begin: ConfBegin) {
        if !self.accepts_conf() || !self.has_room_for(begin.length) {
            return;
        }
        self.telling.begin(begin.progress);
        self.token = begin.token;
        self.push(Action::BeginConf(Some(begin)));
        self.conf = Conf::Receiving { left: begin.length };
        if begin.length == 0 {
            self.end_conf();
        }
    }

    pub(super) fn conf_part(&mut self, bytes: Vec<u8>) {
        let Conf::Receiving { left } = self.conf else {
            return;
        };
        let Some(left) = u64::try_from(bytes.len()).ok().and_then(|length| left.checked_sub(length)) else {
            self.decline(Reason::new("the conf is longer than was announced"));
            return;
        };
        self.conf = Conf::Receiving { left };
        self.push(Action::StoreConf(bytes));
        if left == 0 {
            self.end_conf();
        }
    }

    /// Makes room for a new conf, which replaces the one before; not while that one runs.
    fn accepts_conf(&mut self) -> bool {
        if !self.task.is_idle() {
            self.send_reason(Reason::new("a task is running"), Message::ConfNo);
            return false;
        }
        self.discard_conf();
        self.telling.begin(None);
        (self.token, self.refusal) = (None, None);
        self.session = Some(ExitCause::NotStarted);
        true
    }

    /// Declines a conf that is too large, before anything of it is stored.
    fn has_room_for(&mut self, length: u64) -> bool {
        let most = self.settings.max_conf;
        if length > most {
            self.decline(Reason::new(&format!(
                "the conf has {length} bytes; this slave takes at most {most} (--max-conf)"
            )));
        }
        length <= most
    }

    fn end_conf(&mut self) {
        self.push(Action::EndConf);
        self.conf = Conf::Preparing;
    }

    pub(super) fn hold(&mut self, Hold { round }: Hold) {
        if !self.task.is_idle() {
            self.send_reason(Reason::new("a task is running"), Message::ConfNo);
        } else if matches!(self.conf, Conf::Held { .. } | Conf::Spent) {
            self.conf = Conf::Preparing;
            self.refusal = None;
            self.hold_anew(Some(round));
        } else {
            self.send_reason(Reason::new("there is no conf to run"), Message::ConfNo);
        }
    }

    pub(super) fn prepared(&mut self, now: MonotonicInstant, result: Result<Held, Reason>) {
        let is_spawning = matches!(self.task, Task::Spawning { .. });
        match (self.conf, result) {
            (Conf::Preparing, Ok(held)) => self.accept(held),
            (Conf::Preparing, Err(reason)) => {
                self.decline(reason.clone());
                if is_spawning {
                    self.not_started(now, reason, ExitCause::Declined);
                }
                return;
            }
            (_, Err(reason)) if is_spawning => return self.not_started(now, reason, ExitCause::Declined),
            _ => {}
        }
        match self.task {
            Task::Spawning { stopped: false } => self.release(now, None),
            Task::Spawning { stopped: true } => {
                let reason = Reason::new("it was stopped before it had started");
                self.not_started(now, reason, ExitCause::NotStarted);
            }
            _ => {}
        }
    }

    fn accept(&mut self, held: Held) {
        self.conf = Conf::Held { ordered: None };
        self.tell(Notice::Accepted(held));
        let held = self.agreed(Feature::Start).then_some(held);
        self.send(Message::ConfOk(held));
    }

    pub(super) fn decline(&mut self, reason: Reason) {
        self.discard_conf();
        self.session = Some(ExitCause::Declined);
        self.tell(Notice::Declined(reason.clone()));
        self.send_reason(reason, Message::ConfNo);
    }

    pub(super) fn discard_conf(&mut self) {
        if self.conf != Conf::None {
            self.conf = Conf::None;
            self.output = OutputState::default();
            self.push(Action::Discard);
        }
    }
}
