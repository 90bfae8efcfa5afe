//! The world as a whole, and its time.

pub(crate) mod inspect;
pub(crate) mod orders;

use std::num::NonZeroU32;
use std::time::Duration;

use synexec_proto::defaults::DEFAULT_LOST_AFTER;
use synexec_proto::time::MonotonicInstant;
use synexec_session::master::{Event, OnLost, OutputsWanted, Report, Settings, TokenSeed};

use crate::agenda::Agenda;
use crate::client::{Client, Heard};
use crate::liar::{Liar, Lie};
use crate::link::{Link, Side, Ways};
use crate::master::Master;
use crate::network::{News, Node, peer_of};
use crate::original::{Original, Script};
use crate::plan::Plan;
use crate::slave::SimSlave;
use crate::stranger::{Manner, Stranger};
use crate::time::{START, millis, secs};
use crate::world::inspect::{rows_are_complete, verdict_follows};
use crate::world::orders::Cue;

/// How long a slave's way to the master is unless a scenario says otherwise.
const DELAY: Duration = millis(1);

/// Whoever may connect, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub u8);

#[derive(Debug)]
pub struct World {
    pub(crate) now: MonotonicInstant,
    pub(crate) agenda: Agenda<(Node, News)>,
    pub(crate) links: Vec<Link>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) master: Master,
    pub(crate) master_power: Power,
    pub(crate) over_at: Option<MonotonicInstant>,
    pub(crate) cues: Vec<Cue>,
    /// How much of the master's log was looked through for cues.
    pub(crate) cued: usize,
    /// What the next chance follows from.
    pub(crate) dice: u64,
}

#[derive(Debug)]
pub struct Seat {
    pub client: Client,
    pub power: Power,
    pub ways: Ways,
    pub cut: bool,
}

/// Whether a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    Off,
    On,
    Frozen(MonotonicInstant),
}

/// A session of so many slaves, with a small conf, that waits for ever.
pub fn settings(slaves: u32) -> Settings {
    Settings {
        name: "control".into(),
        slaves: NonZeroU32::new(slaves).expect("some"),
        wait: None,
        lost_after: DEFAULT_LOST_AFTER,
        conf_length: 40,
        runs_payload: false,
        lead: None,
        rounds: NonZeroU32::MIN,
        max_skew: None,
        progress: None,
        outputs: OutputsWanted::Nothing,
        quorum: None,
        timeout: None,
        on_lost: OnLost::Continue,
        reconnect: Duration::ZERO,
        token_seed: TokenSeed::new([7; 32]),
    }
}

impl World {
    pub fn new(settings: Settings) -> Self {
        Self {
            now: START,
            agenda: Agenda::new(),
            links: Vec::new(),
            seats: Vec::new(),
            master: Master::new(settings, START),
            master_power: Power::On,
            over_at: None,
            cues: Vec::new(),
            cued: 0,
            dice: 0,
        }
    }

    /// A world with so many slaves wanted.
    pub fn of(slaves: u32) -> Self {
        Self::new(settings(slaves))
    }

    /// Adds a slave of ours.
    pub fn slave(&mut self, plan: Plan) -> Id {
        self.slave_at(Duration::ZERO, plan)
    }

    /// Adds a slave of ours that boots later.
    pub fn slave_at(&mut self, boots: Duration, plan: Plan) -> Id {
        let name = format!("vm{}", self.seats.len());
        let slave = SimSlave::new(&name, plan, START.plus(boots));
        self.settle_in(boots, Client::Ours(Box::new(slave)))
    }

    pub fn original(&mut self, script: Script) -> Id {
        self.original_at(Duration::ZERO, script)
    }

    pub fn original_at(&mut self, boots: Duration, script: Script) -> Id {
        self.settle_in(boots, Client::Original(Original::new(script)))
    }

    pub fn stranger_at(&mut self, boots: Duration, manner: Manner) -> Id {
        self.settle_in(boots, Client::Stranger(Stranger(manner)))
    }

    /// Adds a slave that does not tell the truth.
    pub fn liar(&mut self, lie: Lie) -> Id {
        self.settle_in(Duration::ZERO, Client::Liar(Liar::new(lie)))
    }

    /// Makes a client's way to the master longer or shorter.
    pub fn set_delay(&mut self, id: Id, delay: Duration) {
        self.set_ways(id, Ways::even(delay));
    }

    /// Gives a client's way to the master a length each way.
    pub fn set_ways(&mut self, id: Id, ways: Ways) {
        self.seat(id).ways = ways;
    }

    /// Makes the network slow to take the conf.
    pub fn conf_takes(&mut self, time: Duration) {
        self.master.conf_takes = time;
    }

    /// Makes the master's disk small, and slow.
    pub fn disk_is(&mut self, bytes: usize, storing_takes: Duration) {
        (self.master.disk, self.master.storing_takes) = (bytes, storing_takes);
    }

    /// Lets time go on until the session is over, with a report that holds together.
    pub fn run(&mut self, limit: Duration) -> Report {
        while self.master.report().is_none() {
            let goes_on = self.step(START.plus(limit));
            assert!(goes_on, "the session does not end within {limit:?}");
        }
        let report = self.master.report().expect("it is over").clone();
        rows_are_complete(&report, report.rows().len().max(self.master.rules.members()));
        verdict_follows(&report);
        report
    }

    /// Lets time go on until this long after the start.
    pub fn run_until(&mut self, after: Duration) {
        let limit = START.plus(after);
        while self.step(limit) {}
        self.now = limit;
    }

    /// Lets time go on for as long as any slave may need to come to rest.
    pub fn settle(&mut self) {
        self.run_until(self.now.since(START) + secs(60));
    }

    pub(crate) fn seat(&mut self, id: Id) -> &mut Seat {
        &mut self.seats[usize::from(id.0)]
    }

    fn settle_in(&mut self, boots: Duration, client: Client) -> Id {
        let id = Id(u8::try_from(self.seats.len()).expect("clients are few"));
        self.seats.push(Seat { client, power: Power::Off, ways: Ways::even(DELAY), cut: false });
        self.agenda.add(START.plus(boots), (Node::Client(id), News::Heard(Heard::Booted)));
        id
    }

    /// Does what comes next, unless it is beyond the limit. As in the programs, an event goes before a deadline; but
    /// a program that was stopped finds its deadlines first, until its threads have read what came in the meantime.
    fn step(&mut self, limit: MonotonicInstant) -> bool {
        let event = self.agenda.next_at();
        let due = self.next_due();
        let Some(next) = event.into_iter().chain(due.map(|(at, _)| at)).min().filter(|next| *next <= limit) else {
            return false;
        };
        self.now = self.now.max(next);
        match due {
            Some((at, node)) if event.is_none_or(|event| at < event || at == event && self.was_frozen(node)) => {
                self.advance(node);
            }
            _ => self.take_next(),
        }
        true
    }

    fn next_due(&self) -> Option<(MonotonicInstant, Node)> {
        let master = self.master_power.due(self.master.deadline()).map(|at| (at, Node::Master));
        let clients = (0..).map(Id).zip(&self.seats);
        let clients =
            clients.filter_map(|(id, seat)| seat.power.due(seat.client.deadline()).map(|at| (at, Node::Client(id))));
        master.into_iter().chain(clients).min_by_key(|(at, _)| *at)
    }

    fn advance(&mut self, node: Node) {
        match node {
            Node::Master => {
                let deeds = self.master.advance(self.now);
                self.master_does(deeds);
            }
            Node::Client(id) => self.client_hears(id, Heard::Due),
            Node::Fate => {}
        }
    }

    fn take_next(&mut self) {
        let Some((ticket, (node, news))) = self.agenda.pop() else { return };
        let booting = matches!(news, News::Heard(Heard::Booted));
        match self.power(node) {
            Power::Frozen(until) if self.now < until => self.agenda.put_off(ticket, until, (node, news)),
            Power::Off if !booting => self.nobody_takes(node, &news),
            _ => self.take(node, news),
        }
    }

    fn was_frozen(&self, node: Node) -> bool {
        matches!(self.power(node), Power::Frozen(_))
    }

    fn power(&self, node: Node) -> Power {
        match node {
            Node::Master => self.master_power,
            Node::Client(id) => self.seats[usize::from(id.0)].power,
            Node::Fate => Power::On,
        }
    }

    fn nobody_takes(&mut self, node: Node, news: &News) {
        if let (Node::Client(_), News::Connected(link)) = (node, news) {
            self.close(*link, Side::Client);
        }
    }

    fn take(&mut self, node: Node, news: News) {
        match (node, news) {
            (Node::Client(id), News::Heard(heard)) => {
                if matches!(heard, Heard::Booted) {
                    self.seat(id).power = Power::On;
                }
                self.client_hears(id, heard);
            }
            (Node::Client(id), News::Connected(link)) => {
                // It may have broken before it stood.
                if self.links[link].is_open(Side::Client) {
                    self.client_hears(id, Heard::Connected);
                }
            }
            (Node::Client(_), News::Bytes(link, bytes)) => self.arrives(link, Side::Client, &bytes),
            (Node::Client(_), News::Closed(link, why)) => self.hears_end(link, Side::Client, why),
            (Node::Master, News::Accepted(link)) => self.accepted(link),
            (Node::Master, News::Bytes(link, bytes)) => self.arrives(link, Side::Master, &bytes),
            (Node::Master, News::Closed(link, why)) => self.hears_end(link, Side::Master, why),
            (Node::Master, News::ConfSent(link)) => self.master_hears(Event::ConfSent { peer: peer_of(link) }),
            (Node::Master, News::OutputStored(id)) => self.master_hears(Event::OutputStored { id }),
            (Node::Master, News::OutputsFailed) => self.master_hears(Event::OutputsFailed { why: "disk full".into() }),
            (Node::Master, News::ConfFailed) => self.master_hears(Event::ConfFailed { why: "gone".into() }),
            (Node::Master, News::Interrupted(interrupt)) => self.master_hears(Event::Interrupted(interrupt)),
            (Node::Fate, News::Knock(id)) => self.knock(id),
            (Node::Fate, News::Order(order)) => self.obey(order),
            (node, news) => panic!("{news:?} does not happen to {node:?}"),
        }
    }
}

impl Power {
    pub fn is_alive(self) -> bool {
        self != Self::Off
    }

    pub fn freeze(&mut self, until: MonotonicInstant) {
        if self.is_alive() {
            *self = Self::Frozen(until);
        }
    }

    fn due(self, deadline: Option<MonotonicInstant>) -> Option<MonotonicInstant> {
        match self {
            Self::Off => None,
            Self::On => deadline,
            Self::Frozen(until) => deadline.map(|deadline| deadline.max(until)),
        }
    }
}
