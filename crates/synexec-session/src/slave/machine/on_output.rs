//! The progress of the task that runs, and the output of the task that ran last, as the master asks for them.

use super::Slave;
use crate::slave::Action;
use synexec_proto::message::{Feature, Fetch, Message, Reason, TaskProgress};
use synexec_proto::time::MonotonicInstant;

impl Slave {
    pub(super) fn advance_progress(&mut self, now: MonotonicInstant) {
        if self.run.advance_progress(now) {
            self.sample();
        }
    }

    /// Has the task sampled, if it runs and the master can be told.
    pub(super) fn sample(&mut self) {
        if self.link.has_agreed(Feature::Progress) && self.run.can_be_sampled() {
            self.push(Action::Sample);
        }
    }

    pub(super) fn sampled(&mut self, progress: TaskProgress, stopped: bool) {
        if self.link.has_agreed(Feature::Progress) && !self.run.is_idle() {
            self.send(if stopped { Message::Stopped(progress) } else { Message::Running(progress) });
        }
    }

    pub(super) fn fetch(&mut self, fetch: Fetch) {
        match self.run.check_output() {
            Ok(()) => self.give(fetch),
            Err(reason) => self.refuse_output(reason),
        }
    }

    pub(super) fn advance_output(&mut self, now: MonotonicInstant) {
        if let Some(fetch) = self.run.take_due_output(now) {
            self.give(fetch);
        }
    }

    pub(super) fn refuse_output(&mut self, reason: Reason) {
        self.run.take_awaited_output();
        if self.link.has_agreed(Feature::Outputs) {
            self.send(Message::OutputNo(Some(reason)));
        }
    }

    /// Sends a piece of output. A piece that was awaited before is not awaited any more.
    pub(super) fn give(&mut self, fetch: Fetch) {
        self.run.take_awaited_output();
        self.push(Action::SendOutput { fetch, is_over: self.run.is_output_over() });
    }
}
