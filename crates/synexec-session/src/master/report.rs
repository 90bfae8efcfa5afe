//! What is known when a session is over.

use std::fmt;
use std::time::Duration;

use super::{Skew, SlaveLabel};
use crate::clock::{ClockEstimate, ClockSlip};
use crate::interrupt::Interrupt;
use synexec_proto::digest::Digest;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Guest, Held, OutputPlace, Reason, Usage};
use synexec_proto::outcome::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};

/// A phase, as people call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseName {
    /// Slaves are awaited.
    Joining,
    /// The conf goes out and is answered.
    Configuring,
    /// The start is ordered and confirmed.
    Starting,
    /// Tasks run.
    Executing,
    /// Their outputs are fetched.
    Fetching,
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Joining => "joining",
            Self::Configuring => "configuring",
            Self::Starting => "starting",
            Self::Executing => "executing",
            Self::Fetching => "fetching",
        })
    }
}

/// Why a slave is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Its connection ended.
    Disconnected(Disconnect),
    /// It is connected, and did not answer for this long.
    Silent(Duration),
    /// It confirmed the start too late for it, each of so many times.
    AlwaysLate(u32),
    /// What it says of its clock cannot be.
    NoClock,
    /// It answers probes, but did not answer an order in this time.
    NoAnswer(Duration),
    /// The session was interrupted, and version 1 has no way to stop its task.
    CannotStop,
    /// It was told to stop its task, and did not report the end in time.
    DidNotStop,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(why) => why.fmt(f),
            Self::Silent(time) => write!(f, "silent for {} s", time.as_secs()),
            Self::AlwaysLate(times) => write!(f, "it confirmed the start too late, {times} times"),
            Self::NoClock => f.write_str("what it says of its clock cannot be, so no start can be ordered"),
            Self::NoAnswer(time) => write!(f, "no answer to an order for {} s", time.as_secs()),
            Self::CannotStop => f.write_str("an original slave cannot be told to stop, its task may run on"),
            Self::DidNotStop => f.write_str("told to stop, it did not report the end in time"),
        }
    }
}

/// What became of one slave. Every slave of a session ends as exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its task ended, in this way.
    Ended(TaskEnd),
    /// Its task ended; an original slave does not say how.
    Finished,
    /// Its task had not ended after this time, all that it had, and was stopped.
    TimedOut(Duration),
    /// It declined the conf or the start.
    Declined(Option<Reason>),
    /// It was lost.
    Lost {
        /// When: in which phase.
        phase: PhaseName,
        /// When: how long after the phase began.
        after: Duration,
        /// Why.
        why: Loss,
    },
    /// The session ended before its task was started.
    Cancelled,
}

impl Outcome {
    /// Whether its task ran and is over.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Finished | Self::TimedOut(_))
    }

    /// Whether its task ended, and is not known to have failed.
    pub fn has_succeeded(&self) -> bool {
        matches!(self, Self::Ended(TaskEnd::Exited(0)) | Self::Finished)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(end) => end.fmt(f),
            Self::Finished => f.write_str("finished (original slave: exit status unknown)"),
            Self::TimedOut(after) => write!(f, "timed out after {} s", after.as_secs_f64()),
            Self::Declined(Some(reason)) => write!(f, "declined: {reason}"),
            Self::Declined(None) => f.write_str("declined (original slave: no reason given)"),
            Self::Lost { phase, after, why } => write!(f, "lost after {:.1} s of {phase}: {why}", after.as_secs_f64()),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// When a task ran, by its own host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunTimes {
    /// Its start.
    pub started: WallClockTime,
    /// Its end.
    pub finished: WallClockTime,
    /// Time between the two; from the monotonic clock where the slave tells it.
    pub elapsed: Duration,
}

/// When a task started, on the master's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredStart {
    /// Its start.
    pub at: MonotonicInstant,
    /// Its end.
    pub ended_at: MonotonicInstant,
    /// How far the true start can be from it, either way.
    pub uncertainty: Duration,
    /// How long after the ordered instant the slave let it go.
    pub lateness: Duration,
}

/// What is known of a task's output, where it was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// All of it was fetched, so many bytes, and has this digest.
    Whole {
        /// Bytes.
        length: u64,
        /// Its digest.
        digest: Digest,
    },
    /// Its end was fetched; it has so many bytes in all.
    Tail {
        /// Bytes.
        length: u64,
    },
    /// It could not be fetched. The slave keeps it where [`Row::output_place`] says until its next task starts.
    Failed {
        /// Why.
        why: String,
    },
    /// Its end, which was wanted for a page only, could not be fetched.
    NoTail {
        /// Why.
        why: String,
    },
    /// An original slave does not give it.
    Unavailable,
}

/// One slave's line in the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number in the slaveset, from 0.
    pub rank: u32,
    /// Who.
    pub slave: SlaveLabel,
    /// Whether it speaks version 1 of the protocol only.
    pub is_original: bool,
    /// How its task was held before the start, where it tells.
    pub held: Option<Held>,
    /// Since when, on the master's clock.
    pub held_at: Option<MonotonicInstant>,
    /// What was known of its clock at the start, where it was measured.
    pub clock: Option<ClockEstimate>,
    /// What has happened to its clock since that, where it did not go evenly.
    pub clock_slip: Option<ClockSlip>,
    /// When its task ran by its own clocks, where that is known.
    pub times: Option<RunTimes>,
    /// When its task started, where that was measured.
    pub start: Option<MeasuredStart>,
    /// What its task used, where it tells.
    pub usage: Option<Usage>,
    /// What happened to its host while the task ran, where it tells.
    pub guest: Option<Guest>,
    /// How long it took to answer when it was probed, where that was long.
    pub answered_late: Option<Duration>,
    /// Where its output is on its host, where it tells.
    pub output_place: Option<OutputPlace>,
    /// What was had of its output, where that was wanted.
    pub output: Option<Output>,
    /// How often its connection broke and was taken up again.
    pub reconnects: u32,
    /// What became of it.
    pub outcome: Outcome,
}

impl Row {
    /// A row of which nothing more is known.
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
            output: None,
            reconnects: 0,
            outcome,
        }
    }

    /// Whether its output was wanted and could not be had.
    pub fn has_lost_output(&self) -> bool {
        matches!(self.output, Some(Output::Failed { .. }))
    }
}

/// The session in one word; the program's exit status follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every task ended, and none is known to have failed.
    Succeeded,
    /// A task failed, and nothing worse happened.
    TaskFailed,
    /// All went well but for a skew above what the user allows, or not known for all slaves.
    SkewExceeded,
    /// Too few slaves joined in time.
    NotEnoughSlaves,
    /// A slave declined.
    Declined,
    /// A slave was lost, or its output, and none declined.
    Lost,
    /// The master's own files failed.
    MasterFailed,
    /// The user ended it early.
    Interrupted(Interrupt),
}

/// One round: every slave's task run once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// One row a slave, by rank.
    pub rows: Vec<Row>,
    /// How far apart the starts were; none where not one is known.
    pub skew: Option<Skew>,
    /// When the tasks were to start, where it came to that.
    pub ordered: Option<MonotonicInstant>,
}

impl Round {
    pub(super) fn new(rows: Vec<Row>, ordered: Option<MonotonicInstant>) -> Self {
        Self { skew: Skew::of(&rows), rows, ordered }
    }

    /// Whether every slave is there for another round.
    pub(super) fn is_whole(&self) -> bool {
        self.rows.iter().all(|row| row.outcome.has_ended() && !row.has_lost_output())
    }
}

/// All that is known of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What happened, round by round; one at least.
    pub rounds: Vec<Round>,
    /// The session in one word.
    pub verdict: Verdict,
}

impl Report {
    /// A report whose verdict follows from its rows, unless something else ended the session.
    pub(super) fn new(rounds: Vec<Round>, max_skew: Option<Duration>, ended_by: Option<Verdict>) -> Self {
        let verdict = ended_by.unwrap_or_else(|| judge(&rounds, max_skew));
        Self { rounds, verdict }
    }

    /// The rows of the last round, in which alone slaves can be lost, decline or be cancelled.
    pub fn rows(&self) -> &[Row] {
        self.rounds.last().map_or(&[], |round| &round.rows)
    }
}

fn judge(rounds: &[Round], max_skew: Option<Duration>) -> Verdict {
    let rows = || rounds.iter().flat_map(|round| &round.rows);
    let any = |wanted: fn(&Outcome) -> bool| rows().any(|row| wanted(&row.outcome));
    let above = |most| rounds.iter().any(|round| !round.skew.is_some_and(|skew| skew.is_within(most)));
    if any(|outcome| matches!(outcome, Outcome::Declined(_))) {
        Verdict::Declined
    } else if any(|outcome| matches!(outcome, Outcome::Lost { .. } | Outcome::Cancelled))
        || rows().any(Row::has_lost_output)
    {
        Verdict::Lost
    } else if any(|outcome| outcome.has_ended() && !outcome.has_succeeded()) {
        Verdict::TaskFailed
    } else if max_skew.is_some_and(above) {
        Verdict::SkewExceeded
    } else {
        Verdict::Succeeded
    }
}
