//! The commands that the thread of a task takes, and the events that it delivers.

use std::time::Duration;

use synexec_host::process::{Descendants, ProcessGroup, Start, Task, reap_adopted};
use synexec_proto::message::{Guest, Held, Reason};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_session::slave::ObservedRun;

use crate::reserve::Reserve;
use crate::shortage::Shortage;
use crate::streams::Streams;

/// When a task is to start.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    AtOnce,
    /// At this instant of this host's clock.
    At(MonotonicInstant),
}

/// A command to the thread.
#[derive(Debug)]
pub(super) enum ThreadCommand {
    /// Let the task go.
    Release(When),
    /// Do not wait for the instant: the task has been sent a signal that ends it before its first instruction.
    Hurry,
}

/// Something that happened to the task.
#[derive(Debug)]
pub enum TaskEvent {
    /// The task is held, or cannot be run.
    Held(Result<(Held, ProcessGroup), Reason>),
    /// The task was killed while it was held.
    Died(Reason),
    /// The task runs, or could not be started.
    Started(Result<(), Reason>),
    /// The task's first process has ended.
    Ended(UnreapedTask),
}

/// A task whose first process has ended and still has to be reaped.
#[derive(Debug)]
pub struct UnreapedTask {
    pub(super) task: Task,
    /// None if it ended before its first instruction.
    pub(super) start: Option<Start>,
    pub(super) released: MonotonicInstant,
    pub(super) lateness: Option<Duration>,
    pub(super) started: WallClockTime,
    pub(super) finished: WallClockTime,
    pub(super) finished_at: MonotonicInstant,
    pub(super) guest: Guest,
    /// Why the ends of its streams may be missing.
    pub shortages: Streams<Option<Shortage>>,
    /// The room for its streams.
    pub(super) reserves: Streams<Reserve>,
}

impl UnreapedTask {
    /// Reaps the process; gives its run, and whether it has left stragglers. Stragglers may still write to the output, and
    /// then keep the room for it.
    pub fn reap(self) -> (ObservedRun, bool) {
        let (end, usage) = match self.task.reap_with_usage() {
            Ok((end, usage)) => (end, Some(usage)),
            Err(error) => {
                log::error!("cannot learn how the task ended: {error}");
                (TaskEnd::Exited(u8::MAX), None)
            }
        };
        let run = ObservedRun {
            started: self.started,
            finished: self.finished,
            started_at: self.start.map_or(self.released, |start| start.at),
            finished_at: self.finished_at,
            end,
            start_uncertainty: self.start.map(|start| start.uncertainty),
            lateness: self.lateness,
            usage,
            guest: Some(self.guest),
        };
        let has_stragglers = reap_adopted() == Descendants::Left;
        if !has_stragglers {
            self.reserves.map(Reserve::give_back);
        }
        (run, has_stragglers)
    }
}
