//! One run after another: the conf, its task, the task's output, and the report of its end.

mod conf;
mod end;
mod output;
mod progress;
mod start;
mod task;

use synexec_proto::message::{Fetch, Reason, TaskEnded};
use synexec_proto::time::MonotonicInstant;

use self::conf::ConfState;
use self::output::Output;
use self::progress::ProgressTimer;
use self::task::Task;
use super::ExitCause;

pub(super) use self::conf::Part;
pub(super) use self::start::AfterOrder;
pub use self::start::LEAD_MAX;
pub(super) use self::task::Due;

/// The conf and its task, and the facts of them that the master may not know.
#[derive(Debug, Default)]
pub(super) struct Run {
    conf: ConfState,
    task: Task,
    /// The last outcome in this session; none before the first conf.
    outcome: Option<ExitCause>,
    /// The run that the last conf, round or release began.
    current: ThisRun,
    /// Whether the last task left stragglers that may still be there.
    may_have_stragglers: bool,
    output: Output,
    progress: ProgressTimer,
}

/// The facts of one run of the task that its master may not know. A new conf, another round and each release of the
/// task begin with a new one: the master that orders them knows the facts of the run before.
#[derive(Debug, Default)]
struct ThisRun {
    /// The end of the task, until the master has acknowledged it.
    report: Option<UnacknowledgedEnd>,
    /// Why the task was not started, if the master may not know.
    refusal: Option<Reason>,
    /// Whether the master has told the running task to stop.
    was_told_to_stop: bool,
}

/// The end of a task that the master may not know yet.
#[derive(Debug)]
struct UnacknowledgedEnd {
    ended: TaskEnded,
    /// When the end was sent on the present connection; none if it was not.
    sent_at: Option<MonotonicInstant>,
}

impl Run {
    /// Whether no task is under way and no straggler is awaited.
    pub(super) fn is_idle(&self) -> bool {
        self.task.is_idle()
    }

    /// Whether the session had a conf.
    pub(super) fn was_configured(&self) -> bool {
        self.outcome.is_some()
    }

    /// Whether the session of this run can go on after its connection broke: the task was released.
    pub(super) fn can_be_resumed(&self) -> bool {
        self.conf == ConfState::Spent
    }

    /// Whether the output is complete: the first process of its task has ended, and the master was told. Stragglers of
    /// this task may still be about to end.
    pub(super) fn is_output_over(&self) -> bool {
        let is_told = self.current.report.as_ref().is_none_or(|report| report.sent_at.is_some());
        self.is_idle() || (is_told && !self.task.has_first_process())
    }

    /// Whether the last task has ended, and its master may still fetch the output.
    pub(super) fn may_be_fetched(&self) -> bool {
        self.conf == ConfState::Spent && matches!(self.outcome, Some(ExitCause::TaskEnded(_)))
    }

    /// Whether the last task left stragglers that may still be there.
    pub(super) fn may_have_stragglers(&self) -> bool {
        self.may_have_stragglers
    }

    /// Whether the task was released and has not ended.
    pub(super) fn can_be_sampled(&self) -> bool {
        self.task.is_released()
    }

    /// Whether a task runs that was not told to stop.
    pub(super) fn has_running_task(&self) -> bool {
        self.task == Task::Running
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<MonotonicInstant> {
        [self.task.deadline(), self.output.deadline(), self.progress.deadline()].into_iter().flatten().min()
    }

    /// A message from the master has arrived.
    pub(super) fn heard(&mut self) {
        self.progress.heard();
    }

    /// The connection of the session broke, and the slave resumes it.
    pub(super) fn link_broke(&mut self) {
        self.output.take_awaited();
        self.current.report.iter_mut().for_each(|report| report.sent_at = None);
    }

    /// When the end of the task was sent to the master, if the master has not acknowledged it.
    pub(super) fn unacknowledged_since(&self) -> Option<MonotonicInstant> {
        self.current.report.as_ref()?.sent_at
    }

    /// The connection of the session is gone for good.
    pub(super) fn link_closed(&mut self) {
        self.progress.stop();
        self.output.take_awaited();
    }

    /// Takes the outcome of a session that is over.
    pub(super) fn take_outcome(&mut self) -> Option<ExitCause> {
        self.outcome.take()
    }

    /// Forgets the conf; returns whether there was one.
    pub(super) fn discard_conf(&mut self) -> bool {
        let had_conf = self.conf != ConfState::None;
        if had_conf {
            (self.conf, self.output) = (ConfState::None, Output::default());
        }
        had_conf
    }
}

/// Progress and output.
impl Run {
    /// Goes on to the next progress report if one is due; returns whether to sample the task for it.
    pub(super) fn advance_progress(&mut self, now: MonotonicInstant) -> bool {
        self.progress.advance(now)
    }

    /// Checks whether there is any output to fetch.
    pub(super) fn check_output(&self) -> Result<(), Reason> {
        self.output.check()
    }

    /// The master waits for a piece of output that is not there yet.
    pub(super) fn await_output(&mut self, now: MonotonicInstant, fetch: Fetch) {
        self.output.wait(now, fetch);
    }

    /// Takes the piece of output that the master waits for; none is awaited after this.
    pub(super) fn take_awaited_output(&mut self) -> Option<Fetch> {
        self.output.take_awaited()
    }

    /// Takes the awaited piece of output if it is time to look again.
    pub(super) fn take_due_output(&mut self, now: MonotonicInstant) -> Option<Fetch> {
        self.output.take_due(now)
    }
}
