//! How probes, connections and bytes cross the world.

use std::time::Duration;

use synexec_proto::defaults::DEFAULT_LOST_AFTER;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::wire::Frame;

use crate::client_event::ClientEvent;
use crate::id::ClientId;
use crate::link::{Link, Side, Ways};
use crate::time::millis;
use crate::timeline::{Node, Timeline, WorldEvent};

/// The delay between a client and the master, in either direction, unless a scenario sets another one.
const DELAY: Duration = millis(1);

/// The hosts of the clients, as the network sees them, and all connections that there have ever been.
#[derive(Debug, Default)]
pub struct Network {
    hosts: Vec<NetworkHost>,
    links: Vec<Link>,
    /// The state from which the next chance follows.
    dice: u64,
}

#[derive(Debug)]
struct NetworkHost {
    ways: Ways,
    cut: bool,
    /// The number of the last request for a connection. A client that stops connecting makes the number larger, so that the
    /// answer is not taken for that of a later request.
    request: u64,
    /// Whether the last request is for a second connection.
    for_second: bool,
}

impl Network {
    /// Adds the host of the next client.
    pub fn add_host(&mut self) {
        self.hosts.push(NetworkHost { ways: Ways::even(DELAY), cut: false, request: 0, for_second: false });
    }

    /// Sets the delays of connections that a client will have.
    pub fn set_ways(&mut self, id: ClientId, ways: Ways) {
        self.hosts[id.index()].ways = ways;
    }

    /// Sets the delays of the connections that a client has or will have.
    pub fn reroute(&mut self, id: ClientId, ways: Ways) {
        self.set_ways(id, ways);
        self.links_of(id).for_each(|(_, link)| link.ways = ways);
    }

    /// Whether a client's host is cut off.
    pub fn is_cut(&self, id: ClientId) -> bool {
        self.hosts[id.index()].cut
    }

    /// The client at the other end of a link.
    pub fn client(&self, link: usize) -> ClientId {
        self.links[link].client
    }

    /// Whether this end of a link is open.
    pub fn is_open(&self, link: usize, side: Side) -> bool {
        self.links[link].is_open(side)
    }

    /// The first or the second connection that a client has.
    pub fn open_link(&self, id: ClientId, second: bool) -> Option<usize> {
        let is_it = |link: &Link| link.client == id && link.is_second == second && link.is_open(Side::Client);
        self.links.iter().rposition(is_it)
    }

    /// Whether a link is the second connection of its client.
    pub fn is_second(&self, link: usize) -> bool {
        self.links[link].is_second
    }

    /// Whether a client still waits for the answer to this request.
    pub fn is_awaited(&self, id: ClientId, request: u64) -> bool {
        self.hosts[id.index()].request == request
    }

    /// The request from which a link comes.
    pub fn request_of(&self, link: usize) -> u64 {
        self.links[link].request
    }

    /// The frames that bytes complete at one end of a link, and the error that ends the stream, if there is one.
    pub fn read(&mut self, link: usize, side: Side, bytes: &[u8]) -> (Vec<Frame>, Result<(), Disconnect>) {
        self.links[link].read(side, bytes)
    }

    /// Carries a probe to every client that is not cut off.
    pub fn invite_all(&self, timeline: &mut Timeline) {
        for (id, host) in (0..).map(ClientId).zip(&self.hosts).filter(|(_, host)| !host.cut) {
            timeline.after(host.ways.out, Node::Client(id), WorldEvent::Client(ClientEvent::Invited));
        }
    }

    /// Carries a client's request for a first or second connection to the master's host.
    pub fn request_connection(&mut self, timeline: &mut Timeline, id: ClientId, second: bool) {
        let host = &mut self.hosts[id.index()];
        (host.request, host.for_second) = (host.request + 1, second);
        timeline.after(host.ways.back, Node::World, WorldEvent::ConnectionRequested(id, host.request));
    }

    /// Answers a client's request for a connection. The master's kernel does this, also for a process that is frozen.
    pub fn answer_request(&mut self, timeline: &mut Timeline, id: ClientId, request: u64, master_is_alive: bool) {
        let NetworkHost { ways, cut, for_second, .. } = self.hosts[id.index()];
        if cut || !master_is_alive {
            timeline.after(ways.out, Node::Client(id), WorldEvent::Refused(request));
            return;
        }
        let link = self.links.len();
        self.links.push(Link::new(id, ways, request, for_second));
        timeline.soon(Node::Master, WorldEvent::Accepted(link));
        timeline.after(ways.out, Node::Client(id), WorldEvent::Connected(link));
    }

    /// Carries bytes from one end of a link to the other.
    pub fn transmit(&mut self, timeline: &mut Timeline, link: usize, from: Side, bytes: Vec<u8>) {
        self.carry(timeline, link, from, WorldEvent::Bytes(link, bytes));
    }

    /// Carries a conf from the master to the other end of a link. The link is busy for this time.
    pub fn transmit_conf(&mut self, timeline: &mut Timeline, link: usize, bytes: Vec<u8>, takes: Duration) {
        self.links[link].busy_until = timeline.now.plus(takes);
        self.transmit(timeline, link, Side::Master, bytes);
        timeline.after(takes, Node::Master, WorldEvent::ConfSent(link));
    }

    /// Closes one end of a link. The other end learns of this later.
    pub fn close(&mut self, timeline: &mut Timeline, link: usize, side: Side) {
        if self.links[link].close(side) {
            self.carry(timeline, link, side, WorldEvent::Closed(link, Disconnect::Closed));
        }
    }

    /// Closes a client's second connection, or stops connecting.
    pub fn close_second(&mut self, timeline: &mut Timeline, id: ClientId) {
        if self.hosts[id.index()].for_second {
            self.stop_connecting(id);
        }
        if let Some(link) = self.open_link(id, true) {
            self.close(timeline, link, Side::Client);
        }
    }

    /// Closes a client's first connection, and puts the second one in its place, even if it is not there yet.
    pub fn use_second(&mut self, timeline: &mut Timeline, id: ClientId) {
        if let Some(link) = self.open_link(id, false) {
            self.close(timeline, link, Side::Client);
        }
        self.hosts[id.index()].for_second = false;
        self.links_of(id).for_each(|(_, link)| link.is_second = false);
    }

    /// Stops connecting.
    pub fn stop_connecting(&mut self, id: ClientId) {
        self.hosts[id.index()].request += 1;
    }

    /// Closes a client's end of all its links.
    pub fn close_all_of(&mut self, timeline: &mut Timeline, id: ClientId) {
        for link in 0..self.links.len() {
            if self.links[link].client == id {
                self.close(timeline, link, Side::Client);
            }
        }
    }

    /// Closes the master's end of all links.
    pub fn close_all_of_master(&mut self, timeline: &mut Timeline) {
        for link in 0..self.links.len() {
            self.close(timeline, link, Side::Master);
        }
    }

    /// Cuts a client's host off. The client's kernel reports this when its keepalive has run out.
    pub fn cut(&mut self, timeline: &mut Timeline, id: ClientId) {
        self.hosts[id.index()].cut = true;
        self.swallow(timeline, id, &[Node::Client(id)]);
    }

    /// Ends the cut of a client's host. Its links stay dead.
    pub fn mend(&mut self, id: ClientId) {
        self.hosts[id.index()].cut = false;
    }

    /// Forgets all links of a client. The kernels of both ends report this when their keepalive has run out.
    pub fn forget(&mut self, timeline: &mut Timeline, id: ClientId) {
        self.swallow(timeline, id, &[Node::Client(id), Node::Master]);
    }

    fn swallow(&mut self, timeline: &mut Timeline, id: ClientId, noticed_by: &[Node]) {
        for (number, link) in self.links_of(id) {
            link.cut = true;
            for node in noticed_by {
                let why = Disconnect::Broken("timed out".into());
                timeline.after(DEFAULT_LOST_AFTER, *node, WorldEvent::Closed(number, why));
            }
        }
    }

    /// Breaks all links of a client. These nodes learn of the break.
    pub fn break_links(&mut self, timeline: &mut Timeline, id: ClientId, told: &[Node]) {
        for (number, link) in self.links_of(id) {
            link.cut = true;
            for node in told {
                timeline.soon(*node, WorldEvent::Closed(number, Disconnect::Broken("reset".into())));
            }
        }
    }

    fn carry(&mut self, timeline: &mut Timeline, number: usize, from: Side, event: WorldEvent) {
        let Link { client, ways, cut, busy_until, .. } = self.links[number];
        if cut {
            return;
        }
        let leaves = if from == Side::Master { timeline.now.max(busy_until) } else { timeline.now };
        let to = if from == Side::Client { Node::Master } else { Node::Client(client) };
        let arrives = leaves.plus(ways.from(from)).plus(self.chance(ways.jitter));
        timeline.at(self.links[number].arrival(from.other(), arrives), to, event);
    }

    /// A time between zero and the most, the same in each run of a scenario.
    fn chance(&mut self, most: Duration) -> Duration {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let most = u64::try_from(most.as_nanos()).expect("jitter is short");
        Duration::from_nanos((self.dice >> 32) % (most + 1))
    }

    fn links_of(&mut self, id: ClientId) -> impl Iterator<Item = (usize, &mut Link)> {
        self.links.iter_mut().enumerate().filter(move |(_, link)| link.client == id)
    }
}
