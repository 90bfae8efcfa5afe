//! The orders of a scenario: when they come, and what each does.

use std::time::Duration;

use synexec_session::master::Notice;

use super::World;
use crate::client_event::{ClientEvent, HostEvent};
use crate::order::{Cue, Order};
use crate::time::START;
use crate::timeline::{Node, WorldEvent};

impl World {
    /// Gives an order this long after the world begins.
    pub fn at(&mut self, after: Duration, order: Order) {
        self.timeline.at(START.plus(after), Node::World, WorldEvent::Order(order));
    }

    /// Gives an order this long after the first notice of the master that matches.
    pub fn when(&mut self, matches: fn(&Notice) -> bool, after: Duration, order: Order) {
        self.cues.push(Cue { matches, after, order });
    }

    /// Carries an order out.
    pub(super) fn obey(&mut self, order: Order) {
        let client = |event| WorldEvent::Client(event);
        match order {
            Order::Kill(id) => self.kill(id),
            Order::KillHeldTask(id) => {
                let event = client(ClientEvent::Host(HostEvent::HeldTaskDied));
                self.timeline.soon(Node::Client(id), event);
            }
            Order::Freeze(id, time) => {
                let until = self.timeline.now.plus(time);
                self.client_mut(id).state.freeze(until);
            }
            Order::Break(id) => {
                self.network.break_links(&mut self.timeline, id, &[Node::Client(id), Node::Master]);
            }
            Order::BreakAtClient(id) => self.network.break_links(&mut self.timeline, id, &[Node::Client(id)]),
            Order::Forget(id) => self.network.forget(&mut self.timeline, id),
            Order::Cut(id) => self.network.cut(&mut self.timeline, id),
            Order::Mend(id) => self.network.mend(id),
            Order::Shutdown(id, interrupt) => {
                self.timeline.soon(Node::Client(id), client(ClientEvent::Shutdown(interrupt)));
            }
            Order::Interrupt(interrupt) => self.timeline.soon(Node::Master, WorldEvent::Interrupted(interrupt)),
            Order::ConfFails => self.timeline.soon(Node::Master, WorldEvent::ConfFailed),
            Order::OutputFails(id) => self.timeline.soon(Node::Master, WorldEvent::OutputFailed(id)),
            Order::KillMaster => self.kill_master(),
            Order::Refuse(id, refusal) => self.plan_mut(id).refusal = Some(refusal),
            Order::ClockJumps(id, by) => self.plan_mut(id).clock.ahead += by,
            Order::Reroute(id, ways) => self.network.reroute(id, ways),
            Order::FreezeMaster(time) => self.master_state.freeze(self.timeline.now.plus(time)),
        }
    }
}
