//! Whoever connects to the master: what it is told, and what it does.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Message;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;
use synexec_session::interrupt::Interrupt;

use super::liar::Liar;
use super::original::Original;
use super::slave::SimSlave;
use super::stranger::Stranger;

#[derive(Debug)]
pub enum Client {
    Ours(Box<SimSlave>),
    Original(Original),
    Liar(Liar),
    Stranger(Stranger),
}

/// What a client is told.
#[derive(Debug)]
pub enum Heard {
    /// It begins to live.
    Booted,
    Invited,
    Connected,
    Refused,
    Said(Frame),
    Closed(Disconnect),
    Host(HostEvent),
    Shutdown(Interrupt),
    /// Its own deadline has come.
    Due,
}

/// What a slave's host, or an original's script, has waited for. The number tells which conf or task it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostEvent {
    Prepared(u32),
    Spawned(u32),
    Ended(u32),
    HeldTaskDied,
}

/// What a client does.
#[derive(Debug)]
pub enum Deed {
    Connect,
    Send(Message),
    /// Bytes that are no message.
    Utter(Vec<u8>),
    Close,
    Later(Duration, HostEvent),
    Exit,
}

impl Client {
    pub fn hear(&mut self, now: MonotonicInstant, heard: Heard) -> Vec<Deed> {
        match self {
            Self::Ours(slave) => slave.hear(now, heard),
            Self::Original(original) => original.hear(now, heard),
            Self::Liar(liar) => liar.hear(heard),
            Self::Stranger(stranger) => stranger.hear(&heard),
        }
    }

    pub fn deadline(&self) -> Option<MonotonicInstant> {
        if let Self::Ours(slave) = self { slave.deadline() } else { None }
    }
}
