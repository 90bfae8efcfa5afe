//! Two masters of one session, each the real one, and slaves that serve whichever master invites them.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use synexec_proto::message::{FinishedRecord, Message};
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_proto::wire::Command;
use synexec_session::master::{Action, Event, Notice, PeerId, Verdict};
use synexec_sim::{Master, MasterAction, START, settings};

/// Two masters and their slaves. Messages take no time.
pub struct Duel {
    players: Vec<Player>,
    slaves: Vec<Slave>,
    now: MonotonicInstant,
}

struct Player {
    master: Master,
    address: Ipv4Addr,
    begins: MonotonicInstant,
    /// Whether the master has sent a probe that the other master has not taken yet.
    was_heard: bool,
    /// The slave at the other end of each connection.
    peers: HashMap<PeerId, usize>,
    connections: u64,
    over_at: Option<MonotonicInstant>,
}

/// A slave of version 1, whose task takes no time.
#[derive(Clone)]
struct Slave {
    /// The master that the slave is connected to, and the connection.
    connected: Option<(usize, PeerId)>,
    /// The master whose probe the slave hears first, if both send one at the same time.
    favourite: usize,
}

impl Duel {
    /// The first master wants `wanted[0]` of these slaves, and has the lower address.
    pub fn new(wanted: [usize; 2], slaves: usize) -> Self {
        let player = |(last, wanted): (u8, usize)| Player {
            master: Master::new(settings(u32::try_from(wanted).expect("slaves are few")), START),
            address: Ipv4Addr::new(10, 0, 0, last),
            begins: START,
            was_heard: false,
            peers: HashMap::new(),
            connections: 0,
            over_at: None,
        };
        let slave = Slave { connected: None, favourite: 0 };
        Self { players: (1..).zip(wanted).map(player).collect(), slaves: vec![slave; slaves], now: START }
    }

    /// The master begins this long after the duel.
    pub fn begins(&mut self, master: usize, after: Duration) {
        self.players[master].begins = START.plus(after);
    }

    /// The masters whose probes the slaves hear first.
    pub fn prefer(&mut self, favourites: &[usize]) {
        for (slave, favourite) in self.slaves.iter_mut().zip(favourites) {
            slave.favourite = *favourite;
        }
    }

    /// This many free slaves join a master.
    pub fn join(&mut self, master: usize, count: usize) {
        for slave in self.free().into_iter().take(count) {
            self.connect(master, slave);
        }
    }

    /// Lets time go on until both sessions are over, or for at most this long.
    pub fn run(&mut self, limit: Duration) {
        let end = START.plus(limit);
        while let Some((next, master)) = self.next_due().filter(|(next, _)| *next <= end) {
            self.now = self.now.max(next);
            let actions = self.players[master].master.advance(self.now);
            self.carry_out(master, actions);
        }
    }

    /// Time from the beginning to the end of a session that has succeeded.
    pub fn over_after(&self, master: usize) -> Option<Duration> {
        let player = &self.players[master];
        let report = player.master.report()?;
        assert_eq!(report.verdict, Verdict::Succeeded);
        Some(player.over_at?.since(START))
    }

    /// Whether a master has given such a notice.
    pub fn told(&self, master: usize, matches: impl Fn(&Notice) -> bool) -> bool {
        let log = &self.players[master].master.log;
        log.iter().any(|(_, action)| matches!(action, Action::Tell(notice) if matches(notice)))
    }

    fn next_due(&self) -> Option<(MonotonicInstant, usize)> {
        let due = |(number, player): (usize, &Player)| {
            let deadline = player.master.deadline().filter(|_| player.over_at.is_none())?;
            Some((deadline.max(player.begins), number))
        };
        self.players.iter().enumerate().filter_map(due).min()
    }

    fn free(&self) -> Vec<usize> {
        (0..self.slaves.len()).filter(|slave| self.slaves[*slave].connected.is_none()).collect()
    }

    fn tell(&mut self, master: usize, event: Event) {
        let actions = self.players[master].master.handle(self.now, event);
        self.carry_out(master, actions);
    }

    fn carry_out(&mut self, master: usize, actions: Vec<MasterAction>) {
        for action in actions {
            match action {
                MasterAction::Probe => {
                    self.players[master].was_heard = true;
                    self.invite(master);
                }
                MasterAction::HearRivals => self.hear(master),
                MasterAction::Send(peer, bytes) => self.answer(master, peer, Command::from(bytes[8])),
                MasterAction::SendConf(peer, _) => {
                    self.tell(master, Event::ConfSent { peer });
                    self.say(master, peer, &Message::ConfOk(None));
                }
                MasterAction::Close(peer) => self.release(master, peer),
                other => panic!("no output is wanted: {other:?}"),
            }
        }
        if self.players[master].master.report().is_some() {
            self.players[master].over_at.get_or_insert(self.now);
        }
    }

    /// A slave hears the probe of its favourite first, unless the favourite sends no probes now.
    fn invite(&mut self, master: usize) {
        for slave in self.free() {
            let favourite = self.slaves[slave].favourite;
            if favourite == master || !self.players[favourite].was_heard {
                self.connect(master, slave);
            }
        }
    }

    fn hear(&mut self, master: usize) {
        let other = 1 - master;
        if std::mem::replace(&mut self.players[other].was_heard, false) {
            let [theirs, ours] = [other, master].map(|player| self.players[player].address);
            self.tell(master, Event::RivalHeard { theirs, ours });
        }
    }

    fn connect(&mut self, master: usize, slave: usize) {
        let player = &mut self.players[master];
        if player.over_at.is_some() || self.now < player.begins {
            return;
        }
        let peer = PeerId(player.connections);
        player.connections += 1;
        player.peers.insert(peer, slave);
        self.slaves[slave].connected = Some((master, peer));
        let last = u8::try_from(slave).expect("slaves are few");
        let address = SocketAddr::from((Ipv4Addr::new(10, 0, 1, last), 4000));
        self.tell(master, Event::Connected { peer, address });
        self.say(master, peer, &Message::Reply(None));
    }

    fn answer(&mut self, master: usize, peer: PeerId, command: Command) {
        match command {
            Command::Probe => self.say(master, peer, &Message::Reply(None)),
            Command::Exec => {
                let time = WallClockTime::from_nanos(1);
                self.say(master, peer, &Message::ExecOk(None));
                self.say(master, peer, &Message::Finished(FinishedRecord { started: time, finished: time }));
            }
            other => panic!("an original was sent {other:?}"),
        }
    }

    fn say(&mut self, master: usize, peer: PeerId, message: &Message) {
        if self.players[master].peers.contains_key(&peer) {
            let frame = message.encode().expect("the message fits into a frame");
            self.tell(master, Event::Received { peer, frame, at: self.now });
        }
    }

    fn release(&mut self, master: usize, peer: PeerId) {
        if let Some(slave) = self.players[master].peers.remove(&peer) {
            self.slaves[slave].connected = None;
        }
    }
}
