//! A process that connects to the master.

use synexec_proto::time::MonotonicInstant;

use crate::client_event::{ClientAction, ClientEvent};
use crate::liar::Liar;
use crate::original::Original;
use crate::slave::SimSlave;
use crate::stranger::Stranger;

/// Every kind of client.
#[derive(Debug)]
pub enum Client {
    /// A slave of this release, on a simulated host.
    Ours(Box<SimSlave>),
    /// A slave that speaks version 1 only.
    Original(Original),
    /// A slave that speaks our protocol and breaks one rule of it.
    Liar(Liar),
    /// A process that is no slave.
    Stranger(Stranger),
}

impl Client {
    /// Tells the client what happens to it; gives what it does in answer.
    pub fn handle(&mut self, now: MonotonicInstant, event: ClientEvent) -> Vec<ClientAction> {
        match self {
            Self::Ours(slave) => slave.handle(now, event),
            Self::Original(original) => original.handle(now, event),
            Self::Liar(liar) => liar.handle(event),
            Self::Stranger(stranger) => stranger.handle(&event),
        }
    }

    /// When the client wants [`ClientEvent::Due`].
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        if let Self::Ours(slave) = self { slave.deadline() } else { None }
    }
}
