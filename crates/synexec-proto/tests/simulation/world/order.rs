//! What a scenario makes happen, from outside.

use std::time::Duration;

use synexec_proto::master::Interrupt;
use synexec_proto::session::{DEFAULT_LOST_AFTER, Disconnect};

use super::client::Heard;
use super::link::Side;
use super::network::{News, Node};
use super::simulation::{Id, Power, World};

#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// The client's process is killed.
    Kill(Id),
    /// The client's process is stopped, and goes on after this time.
    Freeze(Id, Duration),
    /// The client's host is cut off the network; it knows when its keepalive has run out.
    Cut(Id),
    Shutdown(Id, Interrupt),
    Interrupt(Interrupt),
    KillMaster,
    FreezeMaster(Duration),
    /// The master cannot read its conf any more.
    ConfFails,
}

impl World {
    /// Has something happen this long after the start.
    pub fn at(&mut self, after: Duration, order: Order) {
        self.agenda.add(super::START.plus(after), (Node::Fate, News::Order(order)));
    }

    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Kill(id) => self.kill(id),
            Order::Freeze(id, time) => {
                let until = self.now.plus(time);
                self.seat(id).power.freeze(until);
            }
            Order::Cut(id) => self.cut(id),
            Order::Shutdown(id, interrupt) => {
                self.agenda.add(self.now, (Node::Client(id), News::Heard(Heard::Shutdown(interrupt))));
            }
            Order::Interrupt(interrupt) => self.agenda.add(self.now, (Node::Master, News::Interrupted(interrupt))),
            Order::ConfFails => self.agenda.add(self.now, (Node::Master, News::ConfFailed)),
            Order::KillMaster => self.master_exits(),
            Order::FreezeMaster(time) => self.master_power.freeze(self.now.plus(time)),
        }
    }

    pub(super) fn kill(&mut self, id: Id) {
        self.seat(id).power = Power::Off;
        for link in self.links_of(id) {
            self.close(link, Side::Client);
        }
    }

    pub(super) fn master_exits(&mut self) {
        self.master_power = Power::Off;
        for link in 0..self.links.len() {
            self.close(link, Side::Master);
        }
    }

    fn cut(&mut self, id: Id) {
        self.seat(id).cut = true;
        for link in self.links_of(id) {
            self.links[link].cut = true;
            let why = Disconnect::Broken("timed out".into());
            self.agenda.add(self.now.plus(DEFAULT_LOST_AFTER), (Node::Client(id), News::Closed(link, why)));
        }
    }

    fn links_of(&self, id: Id) -> Vec<usize> {
        (0..self.links.len()).filter(|link| self.links[*link].client == id).collect()
    }
}
