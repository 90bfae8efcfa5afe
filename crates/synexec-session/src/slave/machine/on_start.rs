//! The start of the task.

use super::Slave;
use crate::slave::run::AfterOrder;
use crate::slave::{Action, ExitCause, Notice};
use synexec_proto::message::{Message, Reason};
use synexec_proto::time::MonotonicInstant;

impl Slave {
    /// Tells the master, before it says the last word, that no task is left to start.
    pub(super) fn held_task_died(&mut self, reason: Reason) {
        if self.run.lose_held_task() {
            self.refuse(reason);
        }
    }

    pub(super) fn exec(&mut self, now: MonotonicInstant, at: Option<MonotonicInstant>) {
        match self.run.order(now, at) {
            AfterOrder::Refused(reason) => self.refuse(reason),
            AfterOrder::Confirmed(at) => self.send(Message::ExecOk(Some(at))),
            AfterOrder::Release => self.release(now, None),
            AfterOrder::Hold => self.push(Action::Hold { round: None }),
            AfterOrder::Awaited => {}
        }
    }

    pub(super) fn go(&mut self, now: MonotonicInstant) {
        match self.run.ordered_start() {
            Ok(at) => {
                self.tell(Notice::StartsIn(at.since(now)));
                self.release(now, Some(at));
            }
            Err(reason) => self.refuse(reason),
        }
    }

    /// The task is held; starts it if the order to start it came before.
    pub(super) fn start_if_ordered(&mut self, now: MonotonicInstant) {
        if self.run.is_start_cancelled() {
            let reason = Reason::new("the task was stopped before its start");
            self.not_started(now, reason, ExitCause::NotStarted);
        } else if self.run.is_start_awaited() {
            self.release(now, None);
        }
    }

    fn release(&mut self, now: MonotonicInstant, at: Option<MonotonicInstant>) {
        self.run.release(now, at);
        self.push(Action::Release { at });
    }

    fn refuse(&mut self, reason: Reason) {
        self.tell(Notice::Refused(reason.clone()));
        self.run.refuse(&reason);
        self.send_reason(reason, Message::ExecNo);
    }

    pub(super) fn started(&mut self, now: MonotonicInstant, result: Result<(), Reason>) {
        match result {
            Ok(()) => {
                self.send(Message::ExecOk(None));
                self.tell(Notice::Started);
            }
            Err(reason) => self.not_started(now, reason, ExitCause::Declined),
        }
    }

    pub(super) fn not_started(&mut self, now: MonotonicInstant, reason: Reason, outcome: ExitCause) {
        self.run.not_started(outcome);
        self.refuse(reason);
        self.finish_if_idle(now, now);
    }
}
