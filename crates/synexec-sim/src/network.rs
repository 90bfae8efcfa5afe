//! How bytes, connections and invitations cross the world.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_session::interrupt::Interrupt;
use synexec_session::master::{Event, OutputId, PeerId};

use super::client::{Deed, Heard};
use super::link::{Link, Side};
use super::master::{MasterDeed, encode};
use super::world::orders::Order;
use super::world::{Id, World};

/// To whom something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Master,
    Client(Id),
    /// The world itself.
    Fate,
}

/// What happens. Links are known by their number, which is also the master's peer id.
#[derive(Debug)]
pub enum News {
    Heard(Heard),
    Order(Order),
    Interrupted(Interrupt),
    /// A client wants a connection.
    Knock(Id),
    Accepted(usize),
    Connected(usize),
    Bytes(usize, Vec<u8>),
    Closed(usize, Disconnect),
    ConfSent(usize),
    ConfFailed,
    OutputStored(OutputId),
    OutputsFailed,
}

/// The address of a client, by which a row is known to be its.
pub fn address(id: Id) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 0, 0, id.0 + 1), 40_000))
}

impl World {
    pub(crate) fn client_hears(&mut self, id: Id, heard: Heard) {
        let now = self.now;
        for deed in self.seat(id).client.hear(now, heard) {
            self.client_does(id, deed);
        }
    }

    pub(crate) fn master_hears(&mut self, event: Event) {
        let deeds = self.master.handle(self.now, event);
        self.master_does(deeds);
    }

    pub(crate) fn master_does(&mut self, deeds: Vec<MasterDeed>) {
        for deed in deeds {
            match deed {
                MasterDeed::Probe => self.invite_all(),
                MasterDeed::Send(peer, bytes) => self.transmit(link_of(peer), Side::Master, bytes),
                MasterDeed::SendConf(peer, bytes) => {
                    let sent = self.now.plus(self.master.conf_takes);
                    self.links[link_of(peer)].busy_until = sent;
                    self.transmit(link_of(peer), Side::Master, bytes);
                    self.agenda.add(sent, (Node::Master, News::ConfSent(link_of(peer))));
                }
                MasterDeed::Store(id) => {
                    let stored = self.now.plus(self.master.storing_takes);
                    self.agenda.add(stored, (Node::Master, News::OutputStored(id)));
                }
                MasterDeed::CannotStore => self.agenda.add(self.now, (Node::Master, News::OutputsFailed)),
                MasterDeed::Close(peer) => self.close(link_of(peer), Side::Master),
            }
        }
        self.play_cues();
        if self.master.report().is_some() {
            self.over_at.get_or_insert(self.now);
            self.master_exits();
        }
    }

    /// A client's knock at the master's port, which the kernel answers, also for a program that hangs.
    pub(crate) fn knock(&mut self, id: Id) {
        let ways = self.seat(id).ways;
        let heard = self.now.plus(ways.out);
        if self.seat(id).cut || !self.master_power.is_alive() {
            self.agenda.add(heard, (Node::Client(id), News::Heard(Heard::Refused)));
            return;
        }
        let link = self.links.len();
        self.links.push(Link::new(id, ways));
        self.agenda.add(self.now, (Node::Master, News::Accepted(link)));
        self.agenda.add(heard, (Node::Client(id), News::Connected(link)));
    }

    pub(crate) fn accepted(&mut self, link: usize) {
        let address = address(self.links[link].client);
        self.master_hears(Event::Connected { peer: peer_of(link), address });
    }

    pub(crate) fn arrives(&mut self, link: usize, side: Side, bytes: &[u8]) {
        if !self.links[link].is_open(side) {
            return;
        }
        let (frames, result) = self.links[link].read(side, bytes);
        for frame in frames {
            match side {
                Side::Master => {
                    let at = self.now;
                    self.master_hears(Event::Received { peer: peer_of(link), frame, at });
                }
                Side::Client => self.client_hears(self.links[link].client, Heard::Said(frame)),
            }
        }
        if let Err(why) = result {
            self.hears_end(link, side, why);
        }
    }

    pub(crate) fn hears_end(&mut self, link: usize, side: Side, why: Disconnect) {
        if !self.links[link].is_open(side) {
            return;
        }
        match side {
            Side::Master => self.master_hears(Event::Disconnected { peer: peer_of(link), why }),
            Side::Client => self.client_hears(self.links[link].client, Heard::Closed(why)),
        }
    }

    /// Ends a link at one side; the other is told in time.
    pub(crate) fn close(&mut self, link: usize, side: Side) {
        if self.links[link].close(side) {
            self.send(link, side, News::Closed(link, Disconnect::Closed));
        }
    }

    fn client_does(&mut self, id: Id, deed: Deed) {
        match deed {
            Deed::Connect => {
                let arrives = self.now.plus(self.seat(id).ways.back);
                self.agenda.add(arrives, (Node::Fate, News::Knock(id)));
            }
            Deed::Send(message) => self.client_sends(id, encode(&message)),
            Deed::Utter(bytes) => self.client_sends(id, bytes),
            Deed::Close => {
                if let Some(link) = self.open_link(id) {
                    self.close(link, Side::Client);
                }
            }
            Deed::Later(after, event) => {
                self.agenda.add(self.now.plus(after), (Node::Client(id), News::Heard(Heard::Host(event))));
            }
            Deed::Exit => self.kill(id),
        }
    }

    fn client_sends(&mut self, id: Id, bytes: Vec<u8>) {
        let link = self.open_link(id).expect("it is connected");
        self.transmit(link, Side::Client, bytes);
    }

    fn transmit(&mut self, link: usize, from: Side, bytes: Vec<u8>) {
        self.send(link, from, News::Bytes(link, bytes));
    }

    fn send(&mut self, link: usize, from: Side, news: News) {
        let Link { client, ways, cut, busy_until, .. } = self.links[link];
        let leaves = if from == Side::Master { self.now.max(busy_until) } else { self.now };
        let to = if from.other() == Side::Master { Node::Master } else { Node::Client(client) };
        if !cut {
            let arrives = leaves.plus(ways.from(from)).plus(self.chance(ways.jitter));
            let arrives = self.links[link].in_turn(from.other(), arrives);
            self.agenda.add(arrives, (to, news));
        }
    }

    /// Some time up to the most, the same in each run of a scenario.
    fn chance(&mut self, most: Duration) -> Duration {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let most = u64::try_from(most.as_nanos()).expect("it is short");
        Duration::from_nanos((self.dice >> 32) % (most + 1))
    }

    fn invite_all(&mut self) {
        for id in self.ids() {
            let seat = self.seat(id);
            let (out, cut) = (seat.ways.out, seat.cut);
            if !cut {
                self.agenda.add(self.now.plus(out), (Node::Client(id), News::Heard(Heard::Invited)));
            }
        }
    }

    fn open_link(&self, id: Id) -> Option<usize> {
        let open = |link: &Link| link.client == id && link.is_open(Side::Client);
        self.links.iter().rposition(open)
    }
}

pub fn peer_of(link: usize) -> PeerId {
    PeerId(u64::try_from(link).expect("links are few"))
}

pub fn link_of(peer: PeerId) -> usize {
    usize::try_from(peer.0).expect("links are few")
}
