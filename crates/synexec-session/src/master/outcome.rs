//! What became of one slave.

use std::fmt;
use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Reason;
use synexec_proto::task_end::TaskEnd;

/// A phase of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseName {
    /// The master waits for slaves.
    Joining,
    /// The conf goes out, and the slaves accept or decline it.
    Configuring,
    /// The start is ordered and confirmed.
    Starting,
    /// The tasks run.
    Executing,
    /// The tasks' outputs are fetched.
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

/// The reason for which a slave is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// Its connection ended.
    Disconnected(Disconnect),
    /// It is connected, and has been silent for this long.
    Silent(Duration),
    /// It confirmed each of this many start orders too late.
    AlwaysLate(u32),
    /// Its answers about its clock contradict each other.
    NoClock,
    /// It has not answered a probe in this time.
    NoProbeAnswer(Duration),
    /// It answers probes, but has not answered a request in this time.
    NoAnswer(Duration),
    /// Its task has to stop before its end, and version 1 of the protocol has no message for this. The master has therefore
    /// closed the connection.
    CannotStop,
    /// It was told to stop its task, and did not report the end in time.
    DidNotStop,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(Disconnect::Left) => f.write_str("the slave has left the session"),
            Self::Disconnected(why) => f.write_str(&why.of("the slave")),
            Self::Silent(time) => write!(f, "silent for {} s", time.as_secs()),
            Self::AlwaysLate(times) => write!(f, "the slave confirmed the start too late, {times} times"),
            Self::NoClock => {
                f.write_str("the slave's answers about its clock are impossible, so no start can be ordered")
            }
            Self::NoProbeAnswer(time) => write!(f, "no answer to a probe for {} s", time.as_secs()),
            Self::NoAnswer(time) => {
                write!(f, "no answer to a request for {} s, although the slave answers probes", time.as_secs())
            }
            Self::CannotStop => {
                f.write_str("an original slave cannot be told to stop its task, and the task may still be running")
            }
            Self::DidNotStop => f.write_str("the slave was told to stop its task, and did not report the end in time"),
        }
    }
}

/// What became of one slave. Every slave of a session ends as exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its task ended in this way.
    Ended(TaskEnd),
    /// Its task ended. An original slave does not tell in which way.
    Finished,
    /// Its task was stopped because it had run for this time, the longest that the user allows.
    TimedOut(Duration),
    /// It declined the conf or the start, with this reason where it gives one.
    Declined(Option<Reason>),
    /// It was lost.
    Lost {
        /// The phase in which it was lost.
        phase: PhaseName,
        /// Time from the beginning of the phase to the loss.
        after: Duration,
        /// The reason.
        why: Loss,
    },
    /// The session ended before its task was started.
    Cancelled,
}

impl Outcome {
    /// Whether its task ran and has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::Finished | Self::TimedOut(_))
    }

    /// Whether its task failed, or could not be started.
    pub fn has_failed(&self) -> bool {
        self.has_ended() && !self.has_succeeded() || matches!(self, Self::Declined(_))
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
            Self::Declined(None) => f.write_str("declined (no reason given, as by an original slave)"),
            Self::Lost { phase, after, why } => write!(f, "lost after {:.1} s of {phase}: {why}", after.as_secs_f64()),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}
