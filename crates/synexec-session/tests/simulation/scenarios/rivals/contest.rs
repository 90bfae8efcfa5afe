//! Several masters of one session, and slaves of ours. All of them are the real state machines. A master that has all its
//! slaves is gone, and its slaves are free some time later.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Message;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;
use synexec_session::master::{self, Notice, PeerId, Session, Settings, TokenSeed};
use synexec_session::slave::{self, Slave};
use synexec_sim::{Plan, START, millis, secs};

/// Time for which a master's tasks keep their slaves busy.
const BUSY: Duration = secs(2);

/// The masters, the slaves, and what is under way between them.
pub struct Contest {
    masters: Vec<Contender>,
    slaves: Vec<Ours>,
    underway: BTreeMap<(MonotonicInstant, usize), Happening>,
    count: usize,
    now: MonotonicInstant,
}

struct Contender {
    session: Session,
    begins: MonotonicInstant,
    /// The masters whose probes it has not taken yet.
    unheard: BTreeSet<usize>,
    /// The slave at the other end of each connection.
    peers: HashMap<PeerId, usize>,
    connections: u64,
    complete_at: Option<MonotonicInstant>,
    told: Vec<Notice>,
}

struct Ours {
    slave: Slave,
    is_listening: bool,
    link: Option<Link>,
    /// How long a datagram or a message takes in either direction.
    delay: Duration,
    told: Vec<slave::Notice>,
}

/// A slave's connection: the master, and the master's name for the connection.
type Link = (usize, PeerId);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Network,
    Slave(usize),
    Master(usize),
}

enum Happening {
    Probe { master: usize, slave: usize },
    ToMaster(Link, master::Event),
    ToSlave(usize, Link, slave::Event),
}

fn address(master: usize) -> SocketAddr {
    SocketAddr::from((ip(master), 5165))
}

/// The address of a master, which is lower than those of the masters after it.
fn ip(master: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(master + 1).expect("masters are few"))
}

impl Contest {
    /// Masters with these settings, and so many slaves: `vm0`, `vm1`, and so on. Chance follows from the seed.
    pub fn new(masters: Vec<Settings>, slaves: usize, seed: u8) -> Self {
        let contender = |(number, settings): (u8, Settings)| Contender {
            session: Session::new(
                Settings { token_seed: TokenSeed::new([number.wrapping_add(seed); 32]), ..settings },
                START,
            ),
            begins: START,
            unheard: BTreeSet::new(),
            peers: HashMap::new(),
            connections: 0,
            complete_at: None,
            told: Vec::new(),
        };
        let ours = |number| {
            let slave = Slave::new(Plan::default().settings(&format!("vm{number}")), START);
            Ours { slave, is_listening: false, link: None, delay: millis(1), told: Vec::new() }
        };
        let (masters, slaves) = ((0..).zip(masters).map(contender).collect(), (0..slaves).map(ours).collect());
        let mut contest = Self { masters, slaves, underway: BTreeMap::new(), count: 0, now: START };
        (0..contest.slaves.len()).for_each(|slave| contest.carry_out_for_slave(slave));
        contest
    }

    /// The master begins this long after the contest.
    pub fn begins(&mut self, master: usize, after: Duration) {
        self.masters[master].begins = START.plus(after);
    }

    /// The delays between the slaves and all masters.
    pub fn set_delays(&mut self, delays: &[Duration]) {
        for (slave, delay) in self.slaves.iter_mut().zip(delays) {
            slave.delay = *delay;
        }
    }

    /// When a master had all its slaves, as a time since the beginning.
    pub fn complete_after(&self, master: usize) -> Option<Duration> {
        Some(self.masters[master].complete_at?.since(START))
    }

    /// How many such notices a master has given.
    pub fn told(&self, master: usize, matches: impl Fn(&Notice) -> bool) -> usize {
        self.masters[master].told.iter().filter(|notice| matches(notice)).count()
    }

    /// How many times the slaves were turned away with a reason.
    pub fn turned_away(&self) -> usize {
        let told = self.slaves.iter().flat_map(|slave| &slave.told);
        let is_it = |notice: &&slave::Notice| {
            matches!(notice, slave::Notice::Disconnected { why: Disconnect::TurnedAway(_), .. })
        };
        told.filter(is_it).count()
    }

    /// Lets time go on for so long.
    pub fn run(&mut self, limit: Duration) {
        let end = START.plus(limit);
        while let Some((at, who)) = self.next_due().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            match who {
                Who::Network => {
                    if let Some((_, happening)) = self.underway.pop_first() {
                        self.happen(happening);
                    }
                }
                Who::Slave(slave) => {
                    self.slaves[slave].slave.advance(self.now);
                    self.carry_out_for_slave(slave);
                }
                Who::Master(master) => {
                    self.masters[master].session.advance(self.now);
                    self.carry_out_for_master(master);
                }
            }
        }
    }

    fn next_due(&self) -> Option<(MonotonicInstant, Who)> {
        let network = self.underway.keys().next().map(|(at, _)| (*at, Who::Network));
        let slaves = self.slaves.iter().enumerate();
        let slaves = slaves.filter_map(|(number, ours)| Some((ours.slave.deadline()?, Who::Slave(number))));
        let masters = self.masters.iter().enumerate().filter(|(_, master)| master.complete_at.is_none());
        let masters = masters
            .filter_map(|(number, master)| Some((master.session.deadline()?.max(master.begins), Who::Master(number))));
        network.into_iter().chain(slaves).chain(masters).min()
    }

    fn later(&mut self, after: Duration, happening: Happening) {
        self.count += 1;
        self.underway.insert((self.now.plus(after), self.count), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Probe { master, slave } => {
                if std::mem::take(&mut self.slaves[slave].is_listening) {
                    self.tell_slave(slave, slave::Event::Invited { master: address(master) });
                }
            }
            Happening::ToMaster((master, peer), event) => {
                let contender = &mut self.masters[master];
                if contender.complete_at.is_some() || !contender.peers.contains_key(&peer) {
                    return;
                }
                if let master::Event::Disconnected { .. } = event {
                    contender.peers.remove(&peer);
                }
                contender.session.handle(self.now, event);
                self.carry_out_for_master(master);
            }
            Happening::ToSlave(slave, link, event) => {
                if self.slaves[slave].link == Some(link) {
                    self.tell_slave(slave, event);
                }
            }
        }
    }

    fn tell_slave(&mut self, slave: usize, event: slave::Event) {
        self.slaves[slave].slave.handle(self.now, event);
        self.carry_out_for_slave(slave);
    }

    fn carry_out_for_slave(&mut self, number: usize) {
        while let Some(action) = self.slaves[number].slave.next_action() {
            let ours = &mut self.slaves[number];
            let delay = ours.delay;
            match action {
                slave::Action::Listen => ours.is_listening = true,
                slave::Action::Connect(Some(master)) => self.connect(number, master),
                slave::Action::Send(message) => {
                    let Some(link) = ours.link else { panic!("a message without a connection") };
                    let event =
                        master::Event::Received { peer: link.1, frame: frame(&message), at: self.now.plus(delay) };
                    self.later(delay, Happening::ToMaster(link, event));
                }
                slave::Action::Disconnect => {
                    ours.is_listening = false;
                    if let Some(link) = ours.link.take() {
                        let event = master::Event::Disconnected { peer: link.1, why: Disconnect::Closed };
                        self.later(delay, Happening::ToMaster(link, event));
                    }
                }
                slave::Action::Tell(notice) => ours.told.push(notice),
                other => panic!("a slave without a conf: {other:?}"),
            }
        }
    }

    fn connect(&mut self, slave: usize, master: SocketAddr) {
        let number =
            (0..self.masters.len()).find(|number| address(*number) == master).expect("a master sent the probe");
        let contender = &mut self.masters[number];
        let link = (number, PeerId(contender.connections));
        contender.connections += 1;
        self.slaves[slave].link = Some(link);
        let delay = self.slaves[slave].delay;
        if contender.complete_at.is_some() {
            let refused = slave::Event::ConnectFailed { why: "refused".to_owned() };
            return self.later(delay, Happening::ToSlave(slave, link, refused));
        }
        contender.peers.insert(link.1, slave);
        let last = u8::try_from(slave).expect("slaves are few");
        let from = SocketAddr::from(([10, 0, 1, last], 4000));
        self.later(delay, Happening::ToMaster(link, master::Event::Connected { peer: link.1, address: from }));
        self.later(delay, Happening::ToSlave(slave, link, slave::Event::Connected { master }));
    }

    fn carry_out_for_master(&mut self, number: usize) {
        while let Some(action) = self.masters[number].session.next_action() {
            match action {
                master::Action::Probe => self.probe(number),
                master::Action::HearRivals => {
                    for rival in std::mem::take(&mut self.masters[number].unheard) {
                        let (theirs, ours) = (ip(rival), ip(number));
                        self.masters[number].session.handle(self.now, master::Event::RivalHeard { theirs, ours });
                    }
                }
                master::Action::Send { peer, message } => {
                    self.send(number, peer, |at| slave::Event::Received { frame: frame(&message), at });
                }
                master::Action::Close { peer } => {
                    self.send(number, peer, |_| slave::Event::Disconnected(Disconnect::Closed));
                    self.masters[number].peers.remove(&peer);
                }
                master::Action::Tell(notice) => self.masters[number].told.push(notice),
                master::Action::SendConf { .. } => return self.complete(number),
                master::Action::Output { .. } => panic!("a master that joins wants no output"),
            }
        }
    }

    /// Sends a probe to each slave, twice at once, and to the other masters.
    fn probe(&mut self, master: usize) {
        for slave in 0..self.slaves.len() {
            let delay = self.slaves[slave].delay;
            for copy in [0, 1] {
                self.later(delay + millis(copy), Happening::Probe { master, slave });
            }
        }
        let others = self.masters.iter_mut().enumerate().filter(|(number, _)| *number != master);
        others.for_each(|(_, contender)| _ = contender.unheard.insert(master));
    }

    fn send(&mut self, master: usize, peer: PeerId, event: impl FnOnce(MonotonicInstant) -> slave::Event) {
        if let Some(slave) = self.masters[master].peers.get(&peer).copied() {
            let delay = self.slaves[slave].delay;
            self.later(delay, Happening::ToSlave(slave, (master, peer), event(self.now.plus(delay))));
        }
    }

    /// The master has all its slaves. They are free when its session is over.
    fn complete(&mut self, master: usize) {
        self.masters[master].complete_at = Some(self.now);
        for (peer, slave) in std::mem::take(&mut self.masters[master].peers) {
            let over = slave::Event::Disconnected(Disconnect::Closed);
            self.later(BUSY, Happening::ToSlave(slave, (master, peer), over));
        }
    }
}

fn frame(message: &Message) -> Frame {
    message.encode().expect("the message fits into a frame")
}
