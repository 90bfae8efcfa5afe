//! What a slave tells its user, mostly in its log.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Held, Reason};
use synexec_proto::outcome::TaskEnd;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The connection to a master stands.
    Connected(SocketAddr),
    /// Nothing can be heard for now.
    ListenFailed(String),
    /// No connection could be made.
    ConnectFailed(String),
    /// The master has said who it is.
    Commanded {
        /// Its name.
        by: String,
    },
    /// The conf is accepted, and its task held.
    Accepted(Held),
    /// The conf is declined.
    Declined(Reason),
    /// The start is refused.
    Refused(Reason),
    /// The task will start.
    StartsIn(Duration),
    /// The task runs.
    Started,
    /// The task has ended.
    Ended {
        /// How.
        end: TaskEnd,
        /// How late it was started, where it was to start at an instant.
        lateness: Option<Duration>,
    },
    /// The task is told to stop.
    Stopping,
    /// The session is over, and its task is left to run.
    Orphaned,
    /// What a task that ended by itself has left is told to end.
    EndingRest,
    /// The task has not stopped in time and is killed.
    Killing,
    /// The connection has broken, and is to be taken up again.
    LinkBroke {
        /// How it has ended.
        why: Disconnect,
        /// For how long that is tried.
        wait: Duration,
    },
    /// The connection was taken up again.
    Resumed,
    /// No master is there that could be told of the task's end.
    NotReported(TaskEnd),
    /// The connection is gone.
    Disconnected {
        /// Why.
        why: Disconnect,
        /// Whether there was a conf; else the master had no need of this slave, or found too few.
        configured: bool,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(master) => write!(f, "connected to master {master}"),
            Self::ListenFailed(why) => write!(f, "cannot listen for probes: {why}; trying again"),
            Self::ConnectFailed(why) => write!(f, "cannot connect to the master: {why}"),
            Self::Commanded { by } => write!(f, "the master is {by}"),
            Self::Accepted(held) => write!(f, "conf accepted, task held ({held})"),
            Self::Declined(reason) => write!(f, "conf declined: {reason}"),
            Self::Refused(reason) => write!(f, "start refused: {reason}"),
            Self::StartsIn(time) => write!(f, "the task starts in {:.1} ms", time.as_secs_f64() * 1e3),
            Self::Started => f.write_str("task started"),
            Self::Ended { end, lateness: None } => write!(f, "task ended: {end}"),
            Self::Ended { end, lateness: Some(lateness) } => {
                write!(f, "task ended: {end}; it was released {} µs after its instant", lateness.as_micros())
            }
            Self::Stopping => f.write_str("stopping the task"),
            Self::Orphaned => f.write_str("what the task has started is left to run"),
            Self::EndingRest => f.write_str("ending what the task has left running"),
            Self::Killing => f.write_str("the task did not stop in time; killing it"),
            Self::LinkBroke { why, wait } => {
                let (how, seconds) = (why.how(), wait.as_secs());
                write!(f, "the connection to the master broke ({how}); trying for {seconds} s to take it up")
            }
            Self::Resumed => f.write_str("the master is there again, the session goes on"),
            Self::NotReported(end) => write!(f, "no master is there to be told that the task has ended: {end}"),
            Self::Disconnected { why, .. } => write!(f, "session over: {why}"),
        }
    }
}
