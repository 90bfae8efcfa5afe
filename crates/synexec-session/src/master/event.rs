//! What happens to the master's session, and what the session wants done.

use std::net::{Ipv4Addr, SocketAddr};

use super::notice::Notice;
use super::{OutputId, PeerId};
use crate::interrupt::Interrupt;
use synexec_proto::digest::Digest;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{ConfBegin, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;

/// One step of keeping an output. The steps of one output come in this order: `Begin`, any number of `Bytes` and `Sync`,
/// and `End`, `Cut` or `Abandon`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputStep {
    /// The output of the slave with this name follows.
    Begin {
        /// The slave's name.
        name: String,
    },
    /// The next bytes of the output.
    Bytes(Vec<u8>),
    /// A request to answer with [`Event::OutputStored`] when all earlier steps are done.
    Sync,
    /// The output is complete. The answer is [`Event::OutputStored`], or [`Event::OutputDiffers`] when the bytes do not have
    /// the digest that the slave told.
    End {
        /// BLAKE3 digest of all bytes, where all bytes were fetched.
        digest: Option<Digest>,
    },
    /// The output has more bytes than the user wants, so no more follow. The bytes that have come are kept. The answer is
    /// [`Event::OutputStored`].
    Cut,
    /// The output stays incomplete, and nothing of it is kept.
    Abandon,
}

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A connection was accepted.
    Connected {
        /// The connection's id from now on.
        peer: PeerId,
        /// The address from which it comes.
        address: SocketAddr,
    },
    /// This host has no descriptor or thread left for another connection.
    NoRoom,
    /// A frame arrived.
    Received {
        /// The connection that it came on.
        peer: PeerId,
        /// The frame. Its meaning depends on the features that the peer has announced.
        frame: Frame,
        /// When it arrived at this host.
        at: MonotonicInstant,
    },
    /// The last byte of the conf was handed to the network.
    ConfSent {
        /// The connection that it was sent on.
        peer: PeerId,
    },
    /// The conf cannot be read any more.
    ConfFailed {
        /// The reason.
        why: String,
    },
    /// The steps of an output up to an [`OutputStep::Sync`], [`OutputStep::End`] or [`OutputStep::Cut`] are done.
    OutputStored {
        /// The output.
        id: OutputId,
    },
    /// The bytes of an output do not have the digest that [`OutputStep::End`] told.
    OutputDiffers {
        /// The output.
        id: OutputId,
    },
    /// One output cannot be stored.
    OutputFailed {
        /// The output.
        id: OutputId,
        /// The reason.
        why: String,
    },
    /// No output can be stored any more.
    OutputsFailed {
        /// The reason.
        why: String,
    },
    /// A connection ended by itself.
    Disconnected {
        /// The connection.
        peer: PeerId,
        /// The reason.
        why: Disconnect,
    },
    /// The answer to [`Action::HearRivals`]: another master has sent probes of this session, which count by `--allow`
    /// and by the key.
    RivalHeard {
        /// The address from which the other master sends probes.
        theirs: Ipv4Addr,
        /// The lowest address from which this master sends probes on that network.
        ours: Ipv4Addr,
    },
    /// The user asks for an end. A second request means: at once.
    Interrupted(Interrupt),
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Invite slaves by UDP.
    Probe,
    /// Take the probes of other masters that have arrived, and answer with [`Event::RivalHeard`] for each master.
    HearRivals,
    /// Send a message.
    Send {
        /// The receiver.
        peer: PeerId,
        /// The message.
        message: Message,
    },
    /// Send the conf, and answer with [`Event::ConfSent`] when the network has all of it.
    SendConf {
        /// The receiver.
        peer: PeerId,
        /// The message that announces a conf in parts; without it, the conf goes as one message.
        begin: Option<ConfBegin>,
    },
    /// Take the next step with an output.
    Output {
        /// The output.
        id: OutputId,
        /// The step.
        step: OutputStep,
    },
    /// Close a connection. The session hears nothing more of it.
    Close {
        /// The connection.
        peer: PeerId,
    },
    /// Tell the user.
    Tell(Notice),
}
