//! The run of a task as its host observed it.

use std::time::Duration;

use synexec_proto::message::{Guest, OutputPlace, TaskEnded, Usage};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};

/// All that the operating system knows of a task's first process after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedRun {
    /// Start, by the wall clock.
    pub started: WallClockTime,
    /// End, by the wall clock.
    pub finished: WallClockTime,
    /// Start, on the monotonic clock.
    pub started_at: MonotonicInstant,
    /// End, on the monotonic clock.
    pub finished_at: MonotonicInstant,
    /// How it ended.
    pub end: TaskEnd,
    /// How far the true start can be from the observed one, either way; none if it ended before its first instruction.
    pub start_uncertainty: Option<Duration>,
    /// How long after the ordered instant it was released; none if it was to start at once.
    pub lateness: Option<Duration>,
    /// The resources that it used.
    pub usage: Option<Usage>,
    /// Events on the host meanwhile that can disturb a measurement.
    pub guest: Option<Guest>,
}

/// All that the host knows of a task's output after the end of the task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedOutput {
    /// Where the output is, if it is stored.
    pub place: Option<OutputPlace>,
    /// Where standard error is, if it is stored apart.
    pub errors: Option<OutputPlace>,
    /// Why the end of the output may be missing, if the host could not store it; in words for the user.
    pub lost: Option<String>,
    /// The last bytes of standard error if it is stored apart and not empty, otherwise those of the output; at most
    /// [`synexec_proto::message::LAST_LINES_MAX`], where they can be read.
    pub end: Vec<u8>,
}

impl ObservedRun {
    /// The message to the master, which also tells of the task's output and whether the task was told to stop. Only for a
    /// task that has failed, it has the last lines of the output.
    pub(super) fn into_message(self, output: ObservedOutput, was_stopped: bool) -> TaskEnded {
        let has_failed = was_stopped || self.end != TaskEnd::Exited(0);
        let ended = TaskEnded {
            started: self.started,
            finished: self.finished,
            started_at: self.started_at,
            finished_at: self.finished_at,
            end: self.end,
            start_uncertainty: self.start_uncertainty,
            lateness: self.lateness,
            usage: self.usage,
            guest: self.guest,
            output: output.place,
            errors: output.errors,
            was_stopped,
            last_lines: None,
            output_lost: output.lost,
        }
        .with_fitting_paths();
        if has_failed { ended.with_last_lines(&output.end) } else { ended }
    }
}
