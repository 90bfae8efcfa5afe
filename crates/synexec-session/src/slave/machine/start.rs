//! The task: its start, its end, and ending it early.

use std::time::Duration;

use super::{Conf, Slave, UnacknowledgedEnd};
use crate::interrupt::Interrupt;
use crate::slave::task::{Due, Task};
use crate::slave::{Action, ExitCause, Notice, StopSignal};
use synexec_proto::message::{Feature, FinishedRecord, Message, Reason, TaskEnded};
use synexec_proto::time::MonotonicInstant;

/// Furthest that a start may be ahead, so that no master can make a slave wait for ever.
pub const LEAD_MAX: Duration = Duration::from_secs(60 * 60);

impl Slave {
    /// Nothing is left to start, and the master is to know that before it says the last word.
    pub(super) fn held_task_died(&mut self, reason: Reason) {
        if matches!(self.conf, Conf::Held { .. }) {
            self.conf = Conf::Spent;
            self.refuse(reason);
        }
    }

    pub(super) fn exec(&mut self, now: MonotonicInstant, at: Option<MonotonicInstant>) {
        match (self.conf, at) {
            _ if !self.task.is_idle() => self.refuse(Reason::new("a task is running")),
            (Conf::Held { .. }, Some(at)) => self.order(now, at),
            (Conf::Held { .. }, None) => self.release(now, None),
            (Conf::Preparing, None) => self.task = Task::Spawning { stopped: false },
            (Conf::Spent, None) => {
                self.task = Task::Spawning { stopped: false };
                self.hold_anew(None);
            }
            (Conf::Preparing | Conf::Spent, Some(_)) => self.refuse(Reason::new("the task is not held")),
            _ => self.refuse(Reason::new("there is no conf to run")),
        }
    }

    fn order(&mut self, now: MonotonicInstant, at: MonotonicInstant) {
        if at.since(now) > LEAD_MAX {
            self.conf = Conf::Held { ordered: None };
            self.refuse(Reason::new(&format!("the start is more than {} s ahead", LEAD_MAX.as_secs())));
        } else {
            self.conf = Conf::Held { ordered: Some(at) };
            self.send(Message::ExecOk(Some(at)));
        }
    }

    pub(super) fn go(&mut self, now: MonotonicInstant) {
        if let Conf::Held { ordered: Some(at) } = self.conf {
            self.tell(Notice::StartsIn(at.since(now)));
            self.release(now, Some(at));
        } else {
            self.refuse(Reason::new("no start was ordered"));
        }
    }

    pub(super) fn release(&mut self, now: MonotonicInstant, at: Option<MonotonicInstant>) {
        self.conf = Conf::Spent;
        self.task = Task::Running;
        (self.report, self.refusal, self.told_to_stop) = (None, None, false);
        self.output.begin();
        self.telling.start(at.unwrap_or(now));
        self.push(Action::Release { at });
    }

    fn refuse(&mut self, reason: Reason) {
        self.tell(Notice::Refused(reason.clone()));
        if self.task.is_idle() {
            self.refusal = Some(reason.clone());
        }
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

    pub(super) fn not_started(&mut self, now: MonotonicInstant, reason: Reason, cause: ExitCause) {
        self.task = Task::Idle;
        self.telling.end();
        self.session = Some(cause);
        self.refuse(reason);
        self.settle(now, now);
    }

    pub(super) fn ended(&mut self, now: MonotonicInstant, ended: TaskEnded, stragglers: bool) {
        let ended = TaskEnded { was_stopped: std::mem::take(&mut self.told_to_stop), ..ended };
        self.left_behind = stragglers && !self.task.is_hurried();
        self.task.ended(now, stragglers);
        self.session = Some(ExitCause::TaskEnded(ended.end));
        self.tell(Notice::Ended { end: ended.end, lateness: ended.lateness });
        self.report = Some(UnacknowledgedEnd { ended, is_sent: false });
        self.settle(now, now);
    }

    /// Tells the master, once nothing of the task is left that is being waited for.
    pub(super) fn report_end(&mut self) {
        if self.resuming.is_some() {
            return;
        }
        let Some(report) = self.report.as_mut().filter(|report| !report.is_sent) else { return };
        report.is_sent = true;
        let ended = report.ended.clone();
        if !self.agreed(Feature::Resume) {
            self.report = None;
        }
        if !self.is_connected() {
            self.tell(Notice::NotReported(ended.end));
        }
        self.telling.end();
        self.send(if self.agreed(Feature::TaskEnded) {
            Message::TaskEnded(ended)
        } else {
            Message::Finished(FinishedRecord { started: ended.started, finished: ended.finished })
        });
        self.give_rest();
    }

    /// Has the task held once more. A master that wants that knows of the end before.
    pub(super) fn hold_anew(&mut self, round: Option<u32>) {
        self.report = None;
        self.push(Action::Hold { round });
    }

    /// The master knows of the end, which it cannot before it was told.
    pub(super) fn acknowledged(&mut self) {
        self.report.take_if(|report| report.is_sent);
    }

    pub(super) fn stop(&mut self, now: MonotonicInstant) {
        let due = self.task.stop(now);
        self.carry_out(due);
    }

    pub(super) fn carry_out(&mut self, due: Due) {
        match due {
            Due::Nothing => {}
            Due::Check => self.push(Action::CheckStragglers),
            Due::EndRest => {
                self.tell(Notice::EndingRest);
                self.push(Action::Signal(StopSignal::Terminate));
            }
            Due::KillRest => {
                self.push(Action::Signal(StopSignal::Kill));
                self.push(Action::CheckStragglers);
            }
            Due::Signal(signal) => {
                self.tell(if signal == StopSignal::Kill { Notice::Killing } else { Notice::Stopping });
                self.push(Action::Signal(signal));
            }
        }
    }

    pub(super) fn shut_down(&mut self, now: MonotonicInstant, interrupt: Interrupt) {
        if self.shutdown.replace(interrupt).is_some() {
            self.left_behind = false;
            let due = self.task.kill();
            self.carry_out(due);
        } else if self.settings.keeps_orphans {
            self.abandon();
            self.stop(now);
        } else {
            self.stop(now);
        }
        if self.task.is_idle() {
            self.give_up(now);
        }
        self.settle(now, now);
    }
}
