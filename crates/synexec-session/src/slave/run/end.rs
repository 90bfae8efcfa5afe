//! The end of the task: stopping it, its stragglers, and the report of its end.

use super::conf::ConfState;
use super::task::{Due, Task};
use super::{Run, UnacknowledgedEnd};
use crate::slave::{ExitCause, ObservedOutput, ObservedRun};
use synexec_proto::message::TaskEnded;
use synexec_proto::time::MonotonicInstant;

impl Run {
    /// Does what is due for a task that is being stopped.
    pub(in crate::slave) fn advance_task(&mut self, now: MonotonicInstant) -> Due {
        self.task.advance(now)
    }

    /// Begins to stop the task.
    pub(in crate::slave) fn stop(&mut self, now: MonotonicInstant) -> Due {
        self.task.stop(now)
    }

    /// Begins to stop the task because the master wants it.
    pub(in crate::slave) fn stop_for_master(&mut self, now: MonotonicInstant) -> Due {
        self.current.was_told_to_stop |= self.task.has_first_process();
        self.stop(now)
    }

    /// Kills the task now. Its stragglers are not awaited.
    pub(in crate::slave) fn kill(&mut self) -> Due {
        self.may_have_stragglers = false;
        self.task.kill()
    }

    /// The task's first process has ended.
    pub(in crate::slave) fn ended(
        &mut self,
        now: MonotonicInstant,
        run: ObservedRun,
        output: ObservedOutput,
        stragglers: bool,
    ) {
        let was_stopped = std::mem::take(&mut self.current.was_told_to_stop);
        self.outcome = Some(ExitCause::TaskEnded(run.end));
        self.current.report = Some(UnacknowledgedEnd { ended: run.into_message(output, was_stopped), sent_at: None });
        self.may_have_stragglers = stragglers && !self.task.ignores_stragglers();
        self.task.ended(now, stragglers);
    }

    /// No straggler of the task is left.
    pub(in crate::slave) fn stragglers_gone(&mut self, now: MonotonicInstant) {
        self.may_have_stragglers = false;
        self.task.ended(now, false);
    }

    /// Begins to stop the stragglers of a task that ended by itself.
    pub(in crate::slave) fn stop_stragglers(&mut self, now: MonotonicInstant) {
        self.task.stop_stragglers(now);
    }

    /// Begins to await the end of the stragglers without stopping them.
    pub(in crate::slave) fn await_stragglers(&mut self, now: MonotonicInstant) {
        self.task.await_stragglers(now);
    }

    /// Whether a task, or a straggler, would go on if this program ended now.
    pub(in crate::slave) fn outlives_program(&self) -> bool {
        let is_under_way = matches!(self.task, Task::Running | Task::Orphaned { .. });
        is_under_way || (self.is_idle() && self.may_have_stragglers)
    }

    /// Leaves the task and its stragglers to themselves.
    pub(in crate::slave) fn abandon(&mut self) {
        (self.task, self.conf, self.may_have_stragglers) = (Task::Idle, ConfState::None, false);
    }

    /// Takes the end that was not sent yet, to be sent now. It is kept only for a master that acknowledges it.
    pub(in crate::slave) fn take_report(&mut self, now: MonotonicInstant, is_acknowledged: bool) -> Option<TaskEnded> {
        let report = self.current.report.as_mut().filter(|report| report.sent_at.is_none())?;
        report.sent_at = Some(now);
        let ended = report.ended.clone();
        if !is_acknowledged {
            self.current.report = None;
        }
        self.progress.stop();
        Some(ended)
    }

    /// The master has acknowledged the end. It cannot know an end that was not sent.
    pub(in crate::slave) fn acknowledged(&mut self) {
        self.current.report.take_if(|report| report.sent_at.is_some());
    }
}
