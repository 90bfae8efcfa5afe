//! The events that a slave takes and the actions that it asks for.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Notice, ObservedOutput, ObservedRun};
use crate::interrupt::Interrupt;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{ConfBegin, Fetch, Held, Message, Reason, TaskProgress};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;

/// A slave as its user asked for it.
#[derive(Debug, Clone)]
pub struct SlaveSettings {
    /// The slave's name in reports.
    pub name: String,
    /// A random number by which the master recognises all connections of this slave.
    pub instance: u64,
    /// The rank that the slave asks for.
    pub rank: Option<u32>,
    /// Whether the slave dials a given master instead of listening for probes.
    pub dials: bool,
    /// Whether the program ends after one session.
    pub once: bool,
    /// Time in which a connection that broke while a task was under way may be resumed.
    pub reconnect: Duration,
    /// The largest conf that the slave takes, in bytes.
    pub max_conf: u64,
    /// Whether a task goes on when its session is over, instead of being stopped.
    pub keeps_orphans: bool,
}

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A master's probe was heard, and listening has ended.
    Invited {
        /// The address to connect to.
        master: SocketAddr,
    },
    /// The slave cannot listen for probes.
    ListenFailed {
        /// The reason, for the user.
        why: String,
    },
    /// A connection is there, or the second one that [`Action::ConnectSecond`] asked for.
    Connected {
        /// The master's address.
        master: SocketAddr,
    },
    /// No connection could be made.
    ConnectFailed {
        /// The reason, for the user.
        why: String,
    },
    /// A frame arrived.
    Received {
        /// The frame.
        frame: Frame,
        /// When it arrived at this host.
        at: MonotonicInstant,
    },
    /// The connection ended by itself.
    Disconnected(Disconnect),
    /// A frame arrived on the second connection.
    SecondReceived {
        /// The frame.
        frame: Frame,
    },
    /// The second connection ended by itself.
    SecondEnded(Disconnect),
    /// The command is held and waits for its start, or cannot be run.
    Prepared(Result<Held, Reason>),
    /// The held task has ended and cannot be started any more.
    HeldTaskDied(Reason),
    /// The task runs, or could not be started. After a start at a given instant this event follows only if the start
    /// failed, so as not to disturb the task.
    Started(Result<(), Reason>),
    /// The task's first process has ended.
    TaskEnded {
        /// How and when it ran.
        run: ObservedRun,
        /// Its output.
        output: Box<ObservedOutput>,
        /// Whether stragglers are left: other processes that the task has started.
        stragglers: bool,
    },
    /// No straggler of the task is left.
    StragglersGone,
    /// The task was sampled.
    Sampled {
        /// The resources that it has used so far.
        progress: TaskProgress,
        /// Whether a signal has stopped it.
        stopped: bool,
    },
    /// The output that [`Action::SendOutput`] asked for is not there yet.
    NoOutputYet(Fetch),
    /// The output cannot be read.
    OutputFailed(Reason),
    /// The user wants the program to end; the second time, at once.
    Shutdown(Interrupt),
}

/// The signal by which a task is made to end.
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
    /// The user has interrupted it.
    Interrupted(Interrupt),
    /// Its one session is over, and the task ended like this.
    TaskEnded(TaskEnd),
    /// Its one session is over, and the slave declined.
    Declined,
    /// Its one session is over, and no task was started.
    NotStarted,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Listen for probes until one is heard.
    Listen,
    /// Connect to this master, or without an address to the master that the user gave.
    Connect(Option<SocketAddr>),
    /// Connect to this master once more, and keep the first connection. [`Event::Connected`] or [`Event::ConnectFailed`]
    /// follows.
    ConnectSecond(Option<SocketAddr>),
    /// Send a message.
    Send(Message),
    /// Send a message on the second connection.
    SendOnSecond(Message),
    /// Close the connection, and the second one if there is one, or stop listening for probes. No event of either
    /// connection follows.
    Disconnect,
    /// Close the second connection, or stop connecting. No event of it follows.
    CloseSecond,
    /// Close the first connection. The second one takes its place, even if it is not there yet.
    UseSecond,
    /// A new conf comes: discard the conf before it.
    BeginConf(Option<ConfBegin>),
    /// Store the next bytes of the conf.
    StoreConf(Vec<u8>),
    /// The conf is whole: hold its command. [`Event::Prepared`] follows.
    EndConf,
    /// Hold the conf's command once more. [`Event::Prepared`] follows.
    Hold {
        /// The round's number, from 1, if the master tells it.
        round: Option<u32>,
    },
    /// Remove the stored conf, and end the held task.
    Discard,
    /// End the held task. The stored conf stays for the task that was released before.
    DropHeld,
    /// Leave the stored conf to its task, which goes on without this program.
    Abandon,
    /// Let the held task go: at this instant, or at once with [`Event::Started`] following. Later [`Event::TaskEnded`]
    /// follows.
    Release {
        /// On this host's clock.
        at: Option<MonotonicInstant>,
    },
    /// Send a signal to the task and to all processes that it has started. A task that waits for its instant does not
    /// wait any longer.
    Signal(StopSignal),
    /// Check whether any straggler of the task is left. [`Event::StragglersGone`] follows if none is.
    CheckStragglers,
    /// Sample the task. [`Event::Sampled`] follows, unless the task has ended.
    Sample,
    /// Send a piece of the task's output. [`Event::NoOutputYet`] follows if the master wants to wait for it, and the
    /// task is not over.
    SendOutput {
        /// Which piece.
        fetch: Fetch,
        /// Whether the task is over, so that its output is complete.
        is_over: bool,
    },
    /// Tell the user.
    Tell(Notice),
    /// Close the connection once all messages are sent, or after a while if they cannot be, and end the program.
    Exit(ExitCause),
}
