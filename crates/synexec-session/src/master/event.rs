//! What goes into the master's session and what comes out of it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{Notice, TokenSeed};
use crate::interrupt::Interrupt;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{ConfBegin, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;

/// One connection, for as long as the program runs; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// A session as its user asked for it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the master calls itself.
    pub name: String,
    /// How many slaves take part.
    pub slaves: NonZeroU32,
    /// How long to wait for them; without it, for ever.
    pub wait: Option<Duration>,
    /// Silence after which a slave is lost.
    pub lost_after: Duration,
    /// Bytes of the conf.
    pub conf_length: u64,
    /// Whether the conf's payload is its program, which original slaves do not know.
    pub runs_payload: bool,
    /// How far ahead the start is ordered; without it, as far as the measured round trips ask for.
    pub lead: Option<Duration>,
    /// How often the task is run.
    pub rounds: NonZeroU32,
    /// How often the slaves are to tell how far their tasks are; otherwise only when they are probed.
    pub progress: Option<Duration>,
    /// What is wanted of the tasks' outputs.
    pub outputs: OutputsWanted,
    /// Skew above which a session has failed.
    pub max_skew: Option<Duration>,
    /// How many slaves are enough when the wait is over; without it, all.
    pub quorum: Option<NonZeroU32>,
    /// Time that tasks have; without it, for ever.
    pub timeout: Option<Duration>,
    /// What becomes of the other tasks when a slave is lost while they run.
    pub on_lost: OnLost,
    /// Time for a connection that has broken while tasks run to be taken up again.
    pub reconnect: Duration,
    /// What the slaves' tokens are made from; nobody else may know it.
    pub token_seed: TokenSeed,
}

/// What becomes of the other tasks when a slave is lost while they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLost {
    /// They run to their ends.
    Continue,
    /// They are stopped.
    Abort,
}

/// What is wanted of the tasks' outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputsWanted {
    /// Nothing.
    Nothing,
    /// Their last so many bytes, once all tasks have ended.
    Tails(u32),
    /// All of them, once all tasks have ended.
    Whole,
    /// All of them, as they come.
    Live,
}

/// Whose output, of which round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId {
    /// From 1.
    pub round: u32,
    /// The slave's rank.
    pub rank: u32,
}

/// What is to be done with an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputStep {
    /// These are its next bytes.
    Bytes(Vec<u8>),
    /// Say so, with [`Event::OutputStored`], when all before this has been dealt with.
    Sync,
    /// It is complete. [`Event::OutputStored`] follows for this too.
    End,
    /// It will not be complete, and nothing of it is to be kept, whatever was said before.
    Abandon,
}

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A connection was accepted.
    Connected {
        /// Its id from now on.
        peer: PeerId,
        /// Where it comes from.
        address: SocketAddr,
    },
    /// A connection cannot be accepted, since this host has no descriptor or thread left for it.
    NoRoom,
    /// A frame arrived.
    Received {
        /// From whom.
        peer: PeerId,
        /// What it says; how it is to be read depends on what the peer has announced.
        frame: Frame,
        /// When it arrived at this host.
        at: MonotonicInstant,
    },
    /// The last byte of the conf was handed to the network.
    ConfSent {
        /// To whom.
        peer: PeerId,
    },
    /// The conf cannot be read any more.
    ConfFailed {
        /// Why.
        why: String,
    },
    /// All of an output that came before an [`OutputStep::Sync`] or [`OutputStep::End`] is dealt with.
    OutputStored {
        /// Which.
        id: OutputId,
    },
    /// One output cannot be stored.
    OutputFailed {
        /// Which.
        id: OutputId,
        /// Why.
        why: String,
    },
    /// Outputs cannot be stored any more.
    OutputsFailed {
        /// Why.
        why: String,
    },
    /// A connection ended by itself.
    Disconnected {
        /// Whose.
        peer: PeerId,
        /// Why.
        why: Disconnect,
    },
    /// The user wants an end; said twice, at once.
    Interrupted(Interrupt),
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Invite slaves by UDP.
    Probe,
    /// Send a message.
    Send {
        /// To whom.
        peer: PeerId,
        /// What.
        message: Message,
    },
    /// Send the conf; [`Event::ConfSent`] when it is on its way.
    SendConf {
        /// To whom.
        peer: PeerId,
        /// In parts and headed by this; without it, as one message.
        begin: Option<ConfBegin>,
    },
    /// Do something with an output.
    Output {
        /// What the slave is called.
        name: String,
        /// Which.
        id: OutputId,
        /// What.
        step: OutputStep,
    },
    /// Close a connection; nothing more is heard of it.
    Close {
        /// Whose.
        peer: PeerId,
    },
    /// Tell the user.
    Tell(Notice),
}
