//! Everything that is going to happen in the world, and the present instant.

use std::net::Ipv4Addr;
use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::time::MonotonicInstant;
use synexec_session::interrupt::Interrupt;
use synexec_session::master::OutputId;

use crate::agenda::{Agenda, Ticket};
use crate::client_event::ClientEvent;
use crate::id::ClientId;
use crate::order::Order;
use crate::time::START;

/// The part of the world to which an event happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// The master's process.
    Master,
    /// A client's process.
    Client(ClientId),
    /// No process: the network or the scenario.
    World,
}

/// Something that happens in the world. A number names a link; the master's peer has the same number.
#[derive(Debug)]
pub enum WorldEvent {
    /// To a client: whatever does not come over a link.
    Client(ClientEvent),
    /// To the world: the scenario gives an order.
    Order(Order),
    /// To the world: this request of a client for a connection arrives at the master's host.
    ConnectionRequested(ClientId, u64),
    /// To a client: its request for a connection is refused.
    Refused(u64),
    /// To the master: it has a new connection.
    Accepted(usize),
    /// To a client: its connection is established.
    Connected(usize),
    /// To either end of a link: bytes arrive.
    Bytes(usize, Vec<u8>),
    /// To either end of a link: the connection has ended.
    Closed(usize, Disconnect),
    /// To the master: the network has taken the conf.
    ConfSent(usize),
    /// To the master: it cannot read the conf.
    ConfFailed,
    /// To the master: everything fetched of this output is stored.
    OutputStored(OutputId),
    /// The bytes of this output do not have its digest.
    OutputDiffers(OutputId),
    /// To the master: it cannot store this output.
    OutputFailed(OutputId),
    /// To the master: it cannot store outputs any more.
    OutputsFailed,
    /// To the master: another master sends probes from the address `theirs`.
    RivalHeard {
        /// The address of the other master.
        theirs: Ipv4Addr,
        /// The address of the master on the same network.
        ours: Ipv4Addr,
    },
    /// To the master: a user sends it a signal.
    Interrupted(Interrupt),
}

/// The present instant, and all events that are going to happen.
#[derive(Debug)]
pub struct Timeline {
    /// The present instant.
    pub now: MonotonicInstant,
    agenda: Agenda<(Node, WorldEvent)>,
}

impl Timeline {
    /// The beginning of a world in which nothing is going to happen.
    pub fn new() -> Self {
        Self { now: START, agenda: Agenda::new() }
    }

    /// Plans an event for an instant.
    pub fn at(&mut self, at: MonotonicInstant, node: Node, event: WorldEvent) {
        self.agenda.add(at, (node, event));
    }

    /// Plans an event for this long after the present instant.
    pub fn after(&mut self, time: Duration, node: Node, event: WorldEvent) {
        self.at(self.now.plus(time), node, event);
    }

    /// Plans an event for the present instant, after all that is planned for this instant.
    pub fn soon(&mut self, node: Node, event: WorldEvent) {
        self.at(self.now, node, event);
    }

    /// Puts off an event that was taken; later events do not pass it.
    pub fn put_off(&mut self, ticket: Ticket, until: MonotonicInstant, node: Node, event: WorldEvent) {
        self.agenda.put_off(ticket, until, (node, event));
    }

    /// The instant of the next event.
    pub fn next_at(&self) -> Option<MonotonicInstant> {
        self.agenda.next_at()
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Ticket, Node, WorldEvent)> {
        self.agenda.pop().map(|(ticket, (node, event))| (ticket, node, event))
    }
}
