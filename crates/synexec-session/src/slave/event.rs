//! What goes into the slave and what comes out of it.

use std::net::SocketAddr;
use std::time::Duration;

use super::Notice;
use crate::interrupt::Interrupt;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{ConfBegin, Fetch, Held, Message, Reason, TaskEnded, TaskProgress};
use synexec_proto::outcome::TaskEnd;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;

/// A slave as its user asked for it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What reports call this slave.
    pub name: String,
    /// A random number, by which its connections are known to be the same slave's.
    pub instance: u64,
    /// Whether it connects to a given master, where otherwise it listens for probes.
    pub dials: bool,
    /// Whether it ends after one session.
    pub once: bool,
    /// Time to take a connection up again that has broken while a task was under way.
    pub reconnect: Duration,
    /// The largest conf that is taken, in bytes.
    pub max_conf: u64,
    /// Whether a task whose session is over goes on, where otherwise it is stopped.
    pub keeps_orphans: bool,
}

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A master's probe was heard. Listening ends with it.
    Invited {
        /// Where to connect.
        master: SocketAddr,
    },
    /// Nothing can be heard.
    ListenFailed {
        /// Why.
        why: String,
    },
    /// The connection stands.
    Connected {
        /// With whom.
        master: SocketAddr,
    },
    /// There is no connection.
    ConnectFailed {
        /// Why.
        why: String,
    },
    /// A frame arrived.
    Received {
        /// What it says.
        frame: Frame,
        /// When it arrived at this host.
        at: MonotonicInstant,
    },
    /// The connection ended by itself.
    Disconnected(Disconnect),
    /// The command is held and waits for its start, or cannot be run.
    Prepared(Result<Held, Reason>),
    /// The held task is gone, and can be started no more.
    HeldTaskDied(Reason),
    /// The task runs, or could not be started. A start at a given instant is not told, so as not to disturb it; only that
    /// it failed.
    Started(Result<(), Reason>),
    /// The task's first process has ended.
    TaskEnded {
        /// How and when.
        ended: TaskEnded,
        /// Whether others of its family are left.
        stragglers: bool,
    },
    /// Nobody of the task's family is left.
    StragglersGone,
    /// How far the task is.
    Sampled {
        /// What it has used so far.
        progress: TaskProgress,
        /// Whether a signal has stopped it.
        stopped: bool,
    },
    /// There is nothing yet of the output that [`Action::SendOutput`] asked for.
    NoOutputYet(Fetch),
    /// The output cannot be read.
    OutputFailed(Reason),
    /// The user wants the slave to end; said twice, at once.
    Shutdown(Interrupt),
}

/// How a task is made to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// Why the slave's program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCause {
    /// Its user said so.
    Interrupted(Interrupt),
    /// One session is over, in which this was the task's end.
    TaskEnded(TaskEnd),
    /// One session is over, in which the slave declined.
    Declined,
    /// One session is over, in which nothing was started.
    NotStarted,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Listen for probes until one is heard.
    Listen,
    /// Connect to the master whose probe was heard; without an address, to the one that the user gave.
    Connect(Option<SocketAddr>),
    /// Send a message.
    Send(Message),
    /// Close the connection; nothing more is heard of it.
    Disconnect,
    /// The same once all is sent that was to be, or could not be within a while: this slave is about to end.
    Leave,
    /// A new conf comes; the one before is of no more use.
    BeginConf(Option<ConfBegin>),
    /// Store the next bytes of the conf.
    StoreConf(Vec<u8>),
    /// The conf is whole: hold its command, then [`Event::Prepared`].
    EndConf,
    /// Hold the conf's command once more, for the round that the master has told, then [`Event::Prepared`].
    Hold {
        /// Its number, from 1.
        round: Option<u32>,
    },
    /// Remove what was stored, and end what is held.
    Discard,
    /// End what is held; the task that was released before still needs what was stored.
    DropHeld,
    /// Leave what was stored to the task, which goes on without this program.
    Abandon,
    /// Let the held command go: at this instant, or at once and then [`Event::Started`]. Later [`Event::TaskEnded`].
    Release {
        /// On this host's clock.
        at: Option<MonotonicInstant>,
    },
    /// Send the task's family a signal: all that it has started, wherever that is now. A task that still waits for its
    /// instant is not to wait any longer for this.
    Signal(StopSignal),
    /// See whether anybody of the task's family is left; [`Event::StragglersGone`] if not.
    CheckStragglers,
    /// See how far the task is; [`Event::Sampled`], unless it has ended.
    Sample,
    /// Send a piece of the task's output.
    SendOutput {
        /// Which.
        fetch: Fetch,
        /// Whether the task is over, so that what is there is all; otherwise [`Event::NoOutputYet`] where the master
        /// wants to wait and nothing is there.
        is_over: bool,
    },
    /// Tell the user.
    Tell(Notice),
    /// End the program.
    Exit(ExitCause),
}
