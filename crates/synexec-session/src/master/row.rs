//! One slave's row in the report.

use std::time::Duration;

use super::{Outcome, SlaveLabel, StopCause};
use crate::clock::{ClockEstimate, ClockSlip};
use synexec_proto::digest::Digest;
use synexec_proto::message::{FinishedRecord, Guest, Held, OutputPlace, TaskEnded, TaskStream, Usage};
use synexec_proto::time::{MonotonicInstant, WallClockTime};

/// When a task ran, by its own host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunTimes {
    /// Start of the task.
    pub started: WallClockTime,
    /// End of the task.
    pub finished: WallClockTime,
    /// Time from start to end; by the monotonic clock where the slave tells it.
    pub elapsed: Duration,
}

impl From<FinishedRecord> for RunTimes {
    fn from(record: FinishedRecord) -> Self {
        let FinishedRecord { started, finished } = record;
        Self { started, finished, elapsed: finished.since(started) }
    }
}

impl From<&TaskEnded> for RunTimes {
    fn from(ended: &TaskEnded) -> Self {
        let elapsed = ended.finished_at.since(ended.started_at);
        Self { started: ended.started, finished: ended.finished, elapsed }
    }
}

/// When a task started, on the master's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredStart {
    /// Start of the task.
    pub at: MonotonicInstant,
    /// End of the task.
    pub ended_at: MonotonicInstant,
    /// Largest distance between `at` and the true start, either way.
    pub uncertainty: Duration,
    /// Time from the ordered instant to the release of the task.
    pub lateness: Duration,
}

/// What the master has of a task's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The whole output was fetched.
    Whole {
        /// Length in bytes.
        length: u64,
        /// BLAKE3 digest of all bytes.
        digest: Digest,
    },
    /// The end of the output was fetched.
    Tail {
        /// Length of the whole output in bytes.
        length: u64,
    },
    /// Only the first bytes of the output were fetched, because it is longer than the user wants. The slave keeps the whole
    /// output at [`Row::output_place`] until its next task starts.
    Cut {
        /// The number of bytes that were fetched, which is the most that the user wants.
        most: u64,
    },
    /// The output could not be fetched. The slave keeps it at [`Row::output_place`] until its next task starts.
    Failed {
        /// The reason.
        why: String,
    },
    /// The end of the output, wanted only for the HTML page, could not be fetched.
    NoTail {
        /// The reason.
        why: String,
    },
    /// An original slave does not give its output.
    Unavailable,
}

/// One slave's row in the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The slave's number in the slaveset, from 0.
    pub rank: u32,
    /// The slave's name and address.
    pub slave: SlaveLabel,
    /// Whether the slave speaks only version 1 of the protocol.
    pub is_original: bool,
    /// How the slave held the task before the start, where it tells.
    pub held: Option<Held>,
    /// When the task was held, on the master's clock.
    pub held_at: Option<MonotonicInstant>,
    /// Estimate of the slave's clock at the start, where the clock was measured.
    pub clock: Option<ClockEstimate>,
    /// How far the slave's clock slipped after the measurement, where it did not run evenly.
    pub clock_slip: Option<ClockSlip>,
    /// When the task ran by the slave's own clocks, where that is known.
    pub times: Option<RunTimes>,
    /// When the task started, where that was measured.
    pub start: Option<MeasuredStart>,
    /// What the task used of its host, where the slave tells.
    pub usage: Option<Usage>,
    /// What happened to the slave's host while the task ran, where the slave tells.
    pub guest: Option<Guest>,
    /// Longest time that the slave took to answer a probe, where that was too long.
    pub answered_late: Option<Duration>,
    /// Where the output is on the slave's host, where the slave tells.
    pub output_place: Option<OutputPlace>,
    /// The last lines of the output of a task that failed, where the slave tells.
    pub last_lines: Option<String>,
    /// Why the end of the output may be missing, where the slave could not store it.
    pub output_lost: Option<String>,
    /// What the master has of the output, where the user wants outputs.
    pub output: Option<Output>,
    /// Where standard error is on the slave's host, if it is separate and the slave tells.
    pub errors_place: Option<OutputPlace>,
    /// What the master has of standard error, where the user wants it as a separate output.
    pub errors: Option<Output>,
    /// How many times the slave's connection was resumed.
    pub reconnects: u32,
    /// Why the task was told to stop before its end, if the cause was another slave.
    pub stopped_after: Option<StopCause>,
    /// What became of the slave.
    pub outcome: Outcome,
}

impl Row {
    /// A row of a slave about which nothing more is known.
    pub fn new(rank: u32, slave: SlaveLabel, outcome: Outcome) -> Self {
        Self {
            rank,
            slave,
            is_original: false,
            held: None,
            held_at: None,
            clock: None,
            clock_slip: None,
            times: None,
            start: None,
            usage: None,
            guest: None,
            answered_late: None,
            output_place: None,
            last_lines: None,
            output_lost: None,
            output: None,
            errors_place: None,
            errors: None,
            reconnects: 0,
            stopped_after: None,
            outcome,
        }
    }

    /// Whether the output was wanted and could not be fetched.
    pub fn has_lost_output(&self) -> bool {
        self.outputs().any(|output| matches!(output, Output::Failed { .. }))
    }

    /// Whether the whole output was wanted and may not be complete.
    pub fn lacks_output(&self) -> bool {
        self.outputs().any(|output| match output {
            Output::Failed { .. } | Output::Cut { .. } => true,
            Output::Whole { .. } => self.output_lost.is_some(),
            _ => false,
        })
    }

    /// Where a stream is on the slave's host, where the slave tells.
    pub fn place(&self, stream: TaskStream) -> Option<&OutputPlace> {
        match stream {
            TaskStream::Output => self.output_place.as_ref(),
            TaskStream::Errors => self.errors_place.as_ref(),
        }
    }

    /// What the master has of a stream, where the user wants it.
    pub fn output_of(&self, stream: TaskStream) -> Option<&Output> {
        match stream {
            TaskStream::Output => self.output.as_ref(),
            TaskStream::Errors => self.errors.as_ref(),
        }
    }

    /// What the master has of the streams that the user wants.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &Output> {
        TaskStream::ALL.into_iter().filter_map(|stream| self.output_of(stream))
    }

    /// The stream of which the slave tells the last lines: standard error if it is separate and not empty.
    pub fn stream_of_last_lines(&self) -> TaskStream {
        let has_errors = self.errors_place.as_ref().is_some_and(|place| place.length > 0);
        if has_errors { TaskStream::Errors } else { TaskStream::Output }
    }
}
