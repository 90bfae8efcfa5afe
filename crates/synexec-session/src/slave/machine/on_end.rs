//! The end of the task: stopping it, its stragglers, and the report of its end.

use super::Slave;
use crate::slave::run::Due;
use crate::slave::{Action, Notice, ObservedOutput, ObservedRun, StopSignal};
use synexec_proto::message::{Feature, FinishedRecord, Message};
use synexec_proto::time::MonotonicInstant;

impl Slave {
    pub(super) fn ended(&mut self, now: MonotonicInstant, run: ObservedRun, output: ObservedOutput, stragglers: bool) {
        self.tell(Notice::Ended { end: run.end, lateness: run.lateness });
        self.run.ended(now, run, output, stragglers);
        self.finish_if_idle(now, now);
    }

    /// Reports the end of the task to the master, unless it was reported or the connection is being resumed.
    pub(super) fn report_end(&mut self, now: MonotonicInstant) {
        if self.link.is_resuming() {
            return;
        }
        let Some(ended) = self.run.take_report(now, self.link.has_agreed(Feature::Resume)) else { return };
        if !self.link.is_open() {
            self.tell(Notice::NotReported(ended.end));
        }
        self.send(if self.link.has_agreed(Feature::TaskEnded) {
            Message::TaskEnded(Box::new(ended))
        } else {
            Message::Finished(FinishedRecord { started: ended.started, finished: ended.finished })
        });
        if let Some(fetch) = self.run.take_awaited_output() {
            self.give(fetch);
        }
    }

    pub(super) fn stop(&mut self, now: MonotonicInstant) {
        let due = self.run.stop(now);
        self.carry_out(due);
    }

    pub(super) fn carry_out(&mut self, due: Due) {
        match due {
            Due::Nothing => {}
            Due::CheckStragglers => self.push(Action::CheckStragglers),
            Due::TerminateStragglers => {
                self.tell(Notice::StoppingStragglers);
                self.push(Action::Signal(StopSignal::Terminate));
            }
            Due::KillStragglers => {
                self.push(Action::Signal(StopSignal::Kill));
                self.push(Action::CheckStragglers);
            }
            Due::Signal(signal) => {
                self.tell(if signal == StopSignal::Kill { Notice::Killing } else { Notice::Stopping });
                self.push(Action::Signal(signal));
            }
        }
    }

    /// Stops the stragglers of a task that ended by itself, or waits until they have ended.
    pub(super) fn see_to_stragglers(&mut self, now: MonotonicInstant) {
        // A program that is to end does not resume its session for them.
        if self.link.give_up().is_some() {
            self.push(Action::Disconnect);
        }
        // The task that is held for another round goes first: it would never end by itself. The output stays for a master
        // that may still fetch it.
        if self.settings.keeps_orphans {
            self.tell(Notice::Orphaned);
            self.drop_held_task();
            self.run.await_stragglers(now);
        } else {
            if self.link.is_closed() {
                self.discard_conf();
            } else {
                self.drop_held_task();
            }
            self.run.stop_stragglers(now);
        }
    }

    /// The program is to end; leaves its task, if there is one, to itself.
    pub(super) fn abandon(&mut self) {
        if self.run.outlives_program() {
            self.tell(Notice::Orphaned);
            self.drop_held_task();
            self.push(Action::Abandon);
            self.run.abandon();
        }
    }

    fn drop_held_task(&mut self) {
        if self.run.drop_held_task() {
            self.push(Action::DropHeld);
        }
    }
}
