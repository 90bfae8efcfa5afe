//! What a session tells its user as it happens.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Loss, MeasuredStart, NotAdmitted, Outcome, Rivalry, RunTimes, SlaveLabel, StopCause};
use crate::interrupt::Interrupt;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Reason, TaskProgress, TaskStream};

/// One thing that happened. Every kind of display reads these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A slave has joined.
    Joined {
        /// The slave.
        slave: SlaveLabel,
        /// Whether the slave speaks only version 1 of the protocol.
        original: bool,
        /// Number of slaves that have joined, with this one.
        joined: usize,
        /// Number of slaves that are wanted.
        slaves: usize,
    },
    /// A slave that had joined was lost before the set was complete.
    Dropped {
        /// The slave.
        slave: SlaveLabel,
        /// The reason.
        why: Loss,
        /// Number of slaves that remain.
        joined: usize,
        /// Number of slaves that are wanted.
        slaves: usize,
    },
    /// A connection that never showed that it is a slave's was closed.
    TurnedAway {
        /// The address from which it came.
        address: SocketAddr,
        /// The reason; none if it was silent for too long.
        why: Option<Disconnect>,
    },
    /// A connection was closed because no more slaves are needed.
    NotNeeded {
        /// The address from which it came.
        address: SocketAddr,
    },
    /// A slave may not join.
    NotAdmitted {
        /// The slave.
        slave: SlaveLabel,
        /// The reason.
        why: NotAdmitted,
    },
    /// Slaves that take part have the same name.
    EqualNames {
        /// These slaves.
        slaves: Vec<SlaveLabel>,
    },
    /// A slave cannot have the rank that it asks for, because fewer slaves take part than the user wants.
    OtherRank {
        /// The slave.
        slave: SlaveLabel,
        /// The rank that the slave asks for.
        asked: u32,
        /// The rank that the slave has.
        given: u32,
    },
    /// Something happened between this master and another master of the same session.
    Rivalry(Rivalry),
    /// Not enough slaves joined in time.
    GaveUp {
        /// Number of slaves that joined.
        joined: usize,
        /// Number of slaves that are wanted.
        slaves: usize,
        /// Time that they had.
        wait: Duration,
    },
    /// The conf goes out.
    Configuring {
        /// Number of slaves that get it.
        slaves: usize,
    },
    /// The conf cannot be read any more, so no slave can get it.
    ConfFailed {
        /// The reason.
        why: String,
    },
    /// A slave has accepted the conf.
    Accepted {
        /// The slave.
        slave: SlaveLabel,
    },
    /// A slave has declined the conf or the start.
    Declined {
        /// The slave.
        slave: SlaveLabel,
        /// The reason, where the slave gives one.
        reason: Option<Reason>,
    },
    /// Another round begins, and the slaves hold the task once more.
    NextRound {
        /// Number of the round, from 1.
        round: u32,
        /// Number of rounds.
        rounds: u32,
    },
    /// A slave did not complete a round, or a task failed and the user wants no further round then.
    RoundsLeftOut {
        /// Number of rounds left out.
        rounds: u32,
    },
    /// The skew is above the user's limit, or not known for all slaves.
    SkewExceeded {
        /// The limit.
        most: Duration,
    },
    /// The order to start goes out.
    Starting {
        /// Number of slaves that get it.
        slaves: usize,
        /// Time from now to the start.
        ahead: Duration,
    },
    /// A slave has confirmed the start.
    Ready {
        /// The slave.
        slave: SlaveLabel,
    },
    /// A confirmation came too late, and the start is ordered again.
    Postponed,
    /// All slaves have confirmed, and the last word (GO) is sent to all: the start happens.
    GoSent {
        /// Number of slaves that start.
        slaves: usize,
    },
    /// A slave of version 1 has started its task.
    Started {
        /// The slave.
        slave: SlaveLabel,
    },
    /// A task has ended.
    Ended {
        /// The task's slave.
        slave: SlaveLabel,
        /// How the task ended.
        outcome: Outcome,
        /// When the task ran by the slave's own clocks.
        times: Option<RunTimes>,
        /// When the task started, where that was measured.
        start: Option<MeasuredStart>,
        /// Number of slaves whose outcome is known.
        done: usize,
        /// Number of slaves that take part.
        slaves: usize,
    },
    /// A slave reports the progress of its task.
    Progress {
        /// The slave.
        slave: SlaveLabel,
        /// What the task has used so far.
        progress: TaskProgress,
        /// Whether a signal has stopped the task.
        stopped: bool,
    },
    /// A slave takes long to answer.
    Late {
        /// The slave.
        slave: SlaveLabel,
        /// Time for which it has been silent.
        silence: Duration,
    },
    /// A slave that took long has answered.
    Recovered {
        /// The slave.
        slave: SlaveLabel,
        /// Time for which it was silent.
        after: Duration,
    },
    /// The session begins to fetch outputs.
    Fetching {
        /// Number of slaves whose outputs are fetched.
        slaves: usize,
    },
    /// An output was fetched.
    Fetched {
        /// The output's slave.
        slave: SlaveLabel,
        /// Number of outputs that were fetched or given up.
        done: usize,
        /// Number of outputs that are wanted.
        slaves: usize,
    },
    /// An output cannot be fetched.
    OutputLost {
        /// The output's slave.
        slave: SlaveLabel,
        /// The stream.
        stream: TaskStream,
        /// The reason.
        why: String,
        /// Path of the output on the slave's host, where that is known.
        kept_at: Option<String>,
    },
    /// An output is longer than the user wants, and only its first part is kept.
    OutputCut {
        /// The output's slave.
        slave: SlaveLabel,
        /// The stream.
        stream: TaskStream,
        /// The most bytes that are kept of an output.
        most: u64,
    },
    /// The end of a task's output may be missing, because its slave could not store it.
    OutputIncomplete {
        /// The output's slave.
        slave: SlaveLabel,
        /// The reason.
        why: String,
    },
    /// No output can be stored any more.
    OutputsFailed {
        /// The reason.
        why: String,
    },
    /// A slave's connection has broken, and the slave has time to resume it.
    Away {
        /// The slave.
        slave: SlaveLabel,
        /// How the connection broke.
        why: Disconnect,
        /// Time that the slave has.
        wait: Duration,
    },
    /// A slave has resumed its connection.
    Returned {
        /// The slave.
        slave: SlaveLabel,
        /// Time for which it was away.
        after: Duration,
    },
    /// The time limit of the tasks is over, and the running tasks are stopped.
    TimedOut {
        /// The time limit.
        timeout: Duration,
        /// Number of tasks that are stopped.
        running: usize,
    },
    /// A slave is lost or a task has failed, and therefore the other tasks are stopped.
    StoppingOthers {
        /// What happened.
        cause: StopCause,
        /// Number of tasks that are stopped.
        running: usize,
    },
    /// The time to join is over, and the slaves that have joined are enough.
    QuorumReached {
        /// Number of slaves that have joined.
        joined: usize,
        /// Number of slaves that were wanted.
        slaves: usize,
    },
    /// A slave is lost.
    Lost {
        /// The slave.
        slave: SlaveLabel,
        /// The reason.
        why: Loss,
    },
    /// The session is called off before any task was started.
    CalledOff,
    /// The user asks for an end, and the tasks are told to stop.
    Stopping {
        /// How the user asked.
        interrupt: Interrupt,
        /// Number of tasks that are told to stop.
        running: usize,
    },
}
