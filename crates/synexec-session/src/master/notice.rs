//! What a session tells its user on the way.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Loss, MeasuredStart, Outcome, RunTimes};
use crate::interrupt::Interrupt;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Reason, TaskProgress};

/// A slave as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlaveLabel {
    /// Its own name; the address of an original slave, which has none.
    pub name: String,
    /// Where it is connected from.
    pub address: SocketAddr,
}

/// One thing that happened; every kind of display reads these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A slave has joined.
    Joined {
        /// Who.
        slave: SlaveLabel,
        /// Whether it is an original one, of protocol version 1 only.
        original: bool,
        /// How many there are with it.
        joined: usize,
        /// How many are wanted.
        slaves: usize,
    },
    /// A slave that had joined is gone before the set was complete.
    Dropped {
        /// Who.
        slave: SlaveLabel,
        /// Why.
        why: Loss,
        /// How many are left.
        joined: usize,
        /// How many are wanted.
        slaves: usize,
    },
    /// A connection that was never a slave's is closed.
    TurnedAway {
        /// Where it came from.
        address: SocketAddr,
        /// Why; none when it said nothing in time.
        why: Option<Disconnect>,
    },
    /// A connection beyond the wanted number is closed.
    Released {
        /// Where it came from.
        address: SocketAddr,
    },
    /// Not enough slaves joined in time.
    GaveUp {
        /// How many had.
        joined: usize,
        /// How many are wanted.
        slaves: usize,
        /// The time.
        wait: Duration,
    },
    /// The conf goes out.
    Configuring {
        /// To how many.
        slaves: usize,
    },
    /// The conf cannot be read any more, and so nobody can have it.
    ConfFailed {
        /// Why.
        why: String,
    },
    /// A slave has accepted the conf.
    Accepted {
        /// Who.
        slave: SlaveLabel,
    },
    /// A slave has declined the conf, or the start.
    Declined {
        /// Who.
        slave: SlaveLabel,
        /// Why, where it says so.
        reason: Option<Reason>,
    },
    /// Another round begins: the task is made ready once more.
    NextRound {
        /// Its number, from 1.
        round: u32,
        /// Of how many.
        rounds: u32,
    },
    /// A round has not been got through by all, and so was the last one.
    RoundsLeftOut {
        /// How many there were to be beyond it.
        rounds: u32,
    },
    /// The starts were further apart than the user allows, or are not known for all.
    SkewExceeded {
        /// Most that is allowed.
        most: Duration,
    },
    /// The order to start goes out.
    Starting {
        /// To how many.
        slaves: usize,
        /// How far ahead the start is.
        ahead: Duration,
    },
    /// A slave has confirmed the start.
    Ready {
        /// Who.
        slave: SlaveLabel,
    },
    /// The start was not confirmed by all in time, and is ordered anew.
    Postponed,
    /// All have confirmed and were told to go: the start happens.
    Gone {
        /// How many start.
        slaves: usize,
    },
    /// A slave of version 1 has started its task.
    Started {
        /// Who.
        slave: SlaveLabel,
    },
    /// A task has ended.
    Ended {
        /// Whose.
        slave: SlaveLabel,
        /// How.
        outcome: Outcome,
        /// When, by the slave's own clocks.
        times: Option<RunTimes>,
        /// When it started, where that was measured.
        start: Option<MeasuredStart>,
        /// How many slaves are done with it, one way or another.
        done: usize,
        /// How many take part.
        slaves: usize,
    },
    /// A slave tells how far its task is.
    Progress {
        /// Who.
        slave: SlaveLabel,
        /// What the task has used so far.
        progress: TaskProgress,
        /// Whether a signal has stopped it.
        stopped: bool,
    },
    /// A slave takes long to answer.
    Late {
        /// Who.
        slave: SlaveLabel,
        /// How long it has been silent.
        silence: Duration,
    },
    /// A slave that took long has answered.
    Recovered {
        /// Who.
        slave: SlaveLabel,
        /// How long it was silent.
        after: Duration,
    },
    /// The outputs are fetched.
    Fetching {
        /// Of how many slaves.
        slaves: usize,
    },
    /// An output was fetched.
    Fetched {
        /// Whose.
        slave: SlaveLabel,
        /// How many were fetched or cannot be.
        done: usize,
        /// Of how many.
        slaves: usize,
    },
    /// An output cannot be fetched.
    OutputLost {
        /// Whose.
        slave: SlaveLabel,
        /// Why.
        why: String,
        /// Where it is on its slave's host, where that is known.
        kept_at: Option<String>,
    },
    /// Outputs cannot be stored any more.
    OutputsFailed {
        /// Why.
        why: String,
    },
    /// A slave's connection has broken, and it has time to come back.
    Away {
        /// Who.
        slave: SlaveLabel,
        /// What has happened to the connection.
        why: Disconnect,
        /// The time.
        wait: Duration,
    },
    /// A slave has come back.
    Returned {
        /// Who.
        slave: SlaveLabel,
        /// How long it was away.
        after: Duration,
    },
    /// The time that tasks have is over, and those that run are stopped.
    TimedOut {
        /// The time.
        timeout: Duration,
        /// How many tasks are to stop.
        running: usize,
    },
    /// A slave is lost, and therefore the other tasks are stopped.
    Aborting {
        /// How many tasks are to stop.
        running: usize,
    },
    /// The wait is over, and those that have joined are enough.
    QuorumReached {
        /// How many have joined.
        joined: usize,
        /// How many were wanted.
        slaves: usize,
    },
    /// A slave is lost.
    Lost {
        /// Who.
        slave: SlaveLabel,
        /// Why.
        why: Loss,
    },
    /// The session is called off before anything was started.
    CalledOff,
    /// The user wants an end, and the tasks are told to stop.
    Stopping {
        /// How the user said so.
        interrupt: Interrupt,
        /// How many tasks are to stop.
        running: usize,
    },
}
