//! What a scenario makes happen, from outside.

use std::time::Duration;

use synexec_proto::defaults::DEFAULT_LOST_AFTER;
use synexec_proto::disconnect::Disconnect;
use synexec_session::interrupt::Interrupt;
use synexec_session::master::{Action, Notice, Settings};

use crate::client::{Heard, HostEvent};
use crate::link::{Side, Ways};
use crate::network::{News, Node};
use crate::plan::{Plan, Refusal};
use crate::time::secs;
use crate::world::{Id, Power, World};

#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// The task that the client holds is killed.
    KillHeldTask(Id),
    /// The client's process is killed.
    Kill(Id),
    /// The client's process is stopped, and goes on after this time.
    Freeze(Id, Duration),
    /// The client's connection breaks, and both ends know.
    Break(Id),
    /// The client's connection breaks, and only the client knows.
    BreakAtClient(Id),
    /// The client's host is cut off the network; it knows when its keepalive has run out.
    Cut(Id),
    Shutdown(Id, Interrupt),
    Interrupt(Interrupt),
    KillMaster,
    FreezeMaster(Duration),
    /// The master cannot read its conf any more.
    ConfFails,
    /// A slave's host will not do this any more.
    Refuse(Id, Refusal),
    /// The clock of a slave's host jumps by so many nanoseconds, as when its hypervisor has stopped it or makes up for that.
    ClockJumps(Id, i64),
    /// The client's way to the master becomes another one.
    Reroute(Id, Ways),
}

/// Something that happens once the master has told a notice.
#[derive(Debug, Clone, Copy)]
pub struct Cue {
    told: fn(&Notice) -> bool,
    after: Duration,
    order: Order,
}

impl World {
    /// A world of two such slaves, in which connections that break are taken up again.
    pub fn pair(settings: Settings, plan: Plan) -> Self {
        let mut world = Self::new(Settings { reconnect: secs(10), ..settings });
        for _ in 0..2 {
            world.slave(Plan { reconnect: secs(10), ..plan });
        }
        world
    }

    /// Has something happen this long after the start.
    pub fn at(&mut self, after: Duration, order: Order) {
        self.agenda.add(crate::time::START.plus(after), (Node::Fate, News::Order(order)));
    }

    /// Has something happen this long after the master first tells such a notice.
    pub fn when(&mut self, told: fn(&Notice) -> bool, after: Duration, order: Order) {
        self.cues.push(Cue { told, after, order });
    }

    /// Orders what the master's latest notices are the cue for.
    pub(crate) fn play_cues(&mut self) {
        for (_, action) in &self.master.log[self.cued..] {
            let Action::Tell(notice) = action else { continue };
            for cue in self.cues.extract_if(.., |cue| (cue.told)(notice)) {
                self.agenda.add(self.now.plus(cue.after), (Node::Fate, News::Order(cue.order)));
            }
        }
        self.cued = self.master.log.len();
    }

    pub(crate) fn obey(&mut self, order: Order) {
        match order {
            Order::Kill(id) => self.kill(id),
            Order::KillHeldTask(id) => {
                self.agenda.add(self.now, (Node::Client(id), News::Heard(Heard::Host(HostEvent::HeldTaskDied))));
            }
            Order::Freeze(id, time) => {
                let until = self.now.plus(time);
                self.seat(id).power.freeze(until);
            }
            Order::Break(id) => self.break_links(id, &[Node::Client(id), Node::Master]),
            Order::BreakAtClient(id) => self.break_links(id, &[Node::Client(id)]),
            Order::Cut(id) => self.cut(id),
            Order::Shutdown(id, interrupt) => {
                self.agenda.add(self.now, (Node::Client(id), News::Heard(Heard::Shutdown(interrupt))));
            }
            Order::Interrupt(interrupt) => self.agenda.add(self.now, (Node::Master, News::Interrupted(interrupt))),
            Order::ConfFails => self.agenda.add(self.now, (Node::Master, News::ConfFailed)),
            Order::KillMaster => self.master_exits(),
            Order::Refuse(id, refusal) => self.sim_mut(id).host.plan.refusal = Some(refusal),
            Order::ClockJumps(id, by) => self.sim_mut(id).host.plan.clock.ahead += by,
            Order::Reroute(id, ways) => self.reroute(id, ways),
            Order::FreezeMaster(time) => self.master_power.freeze(self.now.plus(time)),
        }
    }

    pub(crate) fn kill(&mut self, id: Id) {
        self.seat(id).power = Power::Off;
        for link in self.links_of(id) {
            self.close(link, Side::Client);
        }
    }

    pub(crate) fn master_exits(&mut self) {
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

    fn break_links(&mut self, id: Id, told: &[Node]) {
        for link in self.links_of(id) {
            self.links[link].cut = true;
            for node in told {
                let why = Disconnect::Broken("reset".into());
                self.agenda.add(self.now, (*node, News::Closed(link, why)));
            }
        }
    }

    fn reroute(&mut self, id: Id, ways: Ways) {
        self.set_ways(id, ways);
        for link in self.links_of(id) {
            self.links[link].ways = ways;
        }
    }

    fn links_of(&self, id: Id) -> Vec<usize> {
        (0..self.links.len()).filter(|link| self.links[*link].client == id).collect()
    }
}
