//! The notices of a slave to its user, mostly in its log.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Held, Reason};
use synexec_proto::task_end::TaskEnd;

/// Something that the user may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The slave has connected to the master with this address.
    Connected(SocketAddr),
    /// The slave cannot listen for probes at the moment.
    ListenFailed(String),
    /// The slave could not connect to the master.
    ConnectFailed(String),
    /// The master has introduced itself.
    Commanded {
        /// The master's name.
        by: String,
    },
    /// The slave asks for a rank, and the master gives another one or none.
    OtherRank {
        /// The rank that the slave asks for.
        asked: u32,
        /// The rank that the slave has in this session; none if the master does not tell it.
        given: Option<u32>,
    },
    /// The conf is accepted, and its task is held.
    Accepted(Held),
    /// The conf is declined.
    Declined(Reason),
    /// The start is refused.
    Refused(Reason),
    /// The task starts after this time.
    StartsIn(Duration),
    /// The task runs.
    Started,
    /// The task has ended.
    Ended {
        /// How it ended.
        end: TaskEnd,
        /// How long after the ordered instant it was released; none if it was to start at once.
        lateness: Option<Duration>,
    },
    /// The task is told to stop.
    Stopping,
    /// The session is over, or the program is to end, and the processes of the task are left to run.
    Orphaned,
    /// The task has ended by itself, and its stragglers are told to stop.
    StoppingStragglers,
    /// The task has not stopped in time and is killed.
    Killing,
    /// The master is silent for too long. The slave connects to the master again, and keeps the first connection.
    Suspicious {
        /// How long the master has been silent.
        silence: Duration,
    },
    /// The master was heard again on the first connection.
    Trusted,
    /// The program is to end, and waits for so long for its master to fetch the output of the task.
    AwaitsFetch(Duration),
    /// The connection broke, and the slave tries to resume it.
    LinkBroke {
        /// How the connection broke.
        why: Disconnect,
        /// How long the slave tries.
        wait: Duration,
    },
    /// The connection was resumed.
    Resumed,
    /// The task has ended like this, and no master is connected to be told.
    NotReported(TaskEnd),
    /// The session is over.
    Disconnected {
        /// Why its connection ended.
        why: Disconnect,
        /// Whether there was a conf. Without one, the master did not need this slave, or too few slaves joined.
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
            Self::OtherRank { asked, given: Some(given) } => {
                write!(f, "the master gives this slave the rank {given}, and not {asked} (--rank)")
            }
            Self::OtherRank { asked, given: None } => {
                write!(
                    f,
                    "the master is an original, and gives this slave no rank; the slave asks for {asked} (--rank)"
                )
            }
            Self::Accepted(held) => write!(f, "conf accepted, task held ({held})"),
            Self::Declined(reason) => write!(f, "conf declined: {reason}"),
            Self::Refused(reason) => write!(f, "start refused: {reason}"),
            Self::StartsIn(time) => write!(f, "the task starts in {:.1} ms", time.as_secs_f64() * 1e3),
            Self::Started => f.write_str("task started"),
            Self::Ended { end, lateness: None } => write!(f, "task ended: {end}"),
            Self::Ended { end, lateness: Some(lateness) } => {
                let late = lateness.as_micros();
                write!(f, "task ended: {end}; the task was released {late} µs after the ordered instant")
            }
            Self::Stopping => f.write_str("stopping the task"),
            Self::Orphaned => f.write_str("the processes of the task are left to run"),
            Self::StoppingStragglers => f.write_str("stopping the processes that the task has left running"),
            Self::Killing => f.write_str("the task did not stop in time; killing it"),
            Self::Suspicious { silence } => {
                let seconds = silence.as_secs_f64();
                write!(f, "the master has sent nothing for {seconds:.1} s; trying a second connection to the master")
            }
            Self::Trusted => f.write_str("the master has answered on the first connection"),
            Self::AwaitsFetch(time) => {
                let seconds = time.as_secs();
                write!(f, "the master may still fetch the output; waiting for at most {seconds} s before the end")
            }
            Self::LinkBroke { why, wait } => {
                let (how, seconds) = (why.how("the master"), wait.as_secs());
                write!(f, "the connection to the master broke ({how}); trying to resume it for {seconds} s")
            }
            Self::Resumed => f.write_str("the connection to the master is resumed; the session goes on"),
            Self::NotReported(end) => {
                write!(f, "the task has ended ({end}), but no master is connected to receive the report")
            }
            Self::Disconnected { why, .. } => write!(f, "session over: {}", why.of("the master")),
        }
    }
}
