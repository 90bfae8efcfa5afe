//! A session as its user asks for it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{SlaveNames, TokenSeed};
use synexec_proto::message::TaskStream;
use synexec_proto::variables::Variables;

/// A session as its user asks for it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name by which the master introduces itself to slaves.
    pub name: String,
    /// The number of slaves that take part.
    pub slaves: NonZeroU32,
    /// The names of the slaves that the user expects or excludes.
    pub names: SlaveNames,
    /// Time that slaves have to join; without it, the master waits for ever.
    pub wait: Option<Duration>,
    /// Silence after which a slave is lost.
    pub lost_after: Duration,
    /// Length of the conf in bytes.
    pub conf_length: u64,
    /// Whether the conf's payload is its program. Original slaves cannot run such a conf.
    pub runs_payload: bool,
    /// Variables for the environment of every task. A slave without the feature *environment* cannot set them.
    pub variables: Variables,
    /// Time from the order to the start; without it, the session derives this time from the measured round trips.
    pub lead: Option<Duration>,
    /// How many times the task runs.
    pub rounds: NonZeroU32,
    /// Interval at which slaves report the progress of their tasks; without it, they report only when they are probed.
    pub progress: Option<Duration>,
    /// Which part of the tasks' outputs the session fetches.
    pub outputs: OutputsWanted,
    /// Whether standard output and standard error are kept apart. A slave without the feature *streams* cannot do this.
    pub separate: bool,
    /// The most bytes of each stream that the session keeps.
    pub max_output: u64,
    /// Skew above which a session has failed.
    pub max_skew: Option<Duration>,
    /// How many slaves are enough when the wait is over; without it, all.
    pub quorum: Option<NonZeroU32>,
    /// Time that tasks may run; without it, they run as long as they take.
    pub timeout: Option<Duration>,
    /// What happens to the other tasks when a slave is lost while they run.
    pub on_lost: OtherTasks,
    /// What happens to the other tasks, and to further rounds, when a task fails.
    pub on_failure: OtherTasks,
    /// Time in which a connection that breaks while tasks run can be resumed.
    pub reconnect: Duration,
    /// The secret from which the session makes its slaves' tokens.
    pub token_seed: TokenSeed,
}

impl Settings {
    /// The streams of each task.
    pub(super) fn streams(&self) -> impl Iterator<Item = TaskStream> + use<> {
        [TaskStream::Output].into_iter().chain(self.separate.then_some(TaskStream::Errors))
    }
}

/// What happens to the other tasks when one slave is lost, or one task fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherTasks {
    /// They run to their ends.
    Continue,
    /// They are stopped.
    Stop,
}

/// Which part of the tasks' outputs the session fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputsWanted {
    /// Nothing.
    Nothing,
    /// This many bytes from the end of each output, once all tasks have ended.
    Tails(u32),
    /// Each output as a whole, once all tasks have ended.
    Whole,
    /// Each output as a whole, while the tasks write it.
    Live,
}
