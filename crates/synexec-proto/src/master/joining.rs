//! Joining: slaves are invited and counted until the slaveset is complete.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Deadline, Now};
use super::liveness::{Liveness, Pulse};
use super::member::{Heard, Member};
use super::peer_clock::PeerClock;
use super::{Action, Loss, Notice, Outcome, PeerId, Row, Settings, SlaveLabel};
use crate::message::{Capabilities, Features, Message};
use crate::session::{DISCOVERY_INTERVAL, Disconnect};
use crate::time::MonotonicInstant;

/// Time for a connection to say hello, and to answer the first probe.
const HELLO_TIME: Duration = Duration::from_secs(5);

/// Most connections that have not yet shown to be slaves; beyond it the oldest that has said nothing goes.
const STRANGERS_MAX: usize = 2048;

/// A slave not heard for this long is asked once more before the set counts as complete, and has as long to answer.
const ROLL_CALL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Joining {
    settings: Settings,
    next_probe: AwakeInstant,
    give_up: Option<AwakeInstant>,
    roll_call: Option<AwakeInstant>,
    strangers: BTreeMap<PeerId, Stranger>,
    joined: BTreeMap<PeerId, Joined>,
}

/// A connection that has not yet shown to be a slave's.
#[derive(Debug)]
struct Stranger {
    address: SocketAddr,
    until: AwakeInstant,
    /// From its hello on; it is then probed.
    greeting: Option<Greeting>,
}

#[derive(Debug)]
struct Greeting {
    label: SlaveLabel,
    features: Features,
    original: bool,
    probed: Now,
}

#[derive(Debug)]
struct Joined {
    label: SlaveLabel,
    features: Features,
    liveness: Liveness,
    /// Time that it took to answer its probe.
    round_trip: Duration,
    called: bool,
}

impl Joining {
    pub(super) fn new(settings: Settings, now: AwakeInstant) -> Self {
        let give_up = settings.wait.map(|wait| now.plus(wait));
        Self {
            settings,
            next_probe: now,
            give_up,
            roll_call: None,
            strangers: BTreeMap::new(),
            joined: BTreeMap::new(),
        }
    }

    /// What is agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        let greeting = self.strangers.get(&peer).and_then(|stranger| stranger.greeting.as_ref());
        let joined = self.joined.get(&peer).map(|slave| slave.features);
        joined.or(greeting.map(|greeting| greeting.features)).unwrap_or(Features::NONE)
    }

    pub(super) fn connected(&mut self, now: Now, peer: PeerId, address: SocketAddr, actions: &mut Actions) {
        if self.strangers.len() >= STRANGERS_MAX {
            self.make_room(actions);
        }
        self.strangers.insert(peer, Stranger { address, until: now.awake.plus(HELLO_TIME), greeting: None });
    }

    pub(super) fn received(&mut self, heard: Heard, actions: &mut Actions) {
        let Heard { now, peer, message, at } = heard;
        if let Some(slave) = self.joined.get_mut(&peer) {
            slave.liveness.heard(now.awake);
            slave.called = false;
            return;
        }
        let (Message::Reply(capabilities), Some(stranger)) = (&message, self.strangers.get_mut(&peer)) else {
            return;
        };
        if stranger.greeting.is_none() {
            let greeting = Greeting::new(stranger.address, capabilities.as_ref(), now);
            let ours = (!greeting.original).then(|| Capabilities::ours(&self.settings.name));
            actions.send(peer, Message::Probe(ours));
            stranger.greeting = Some(greeting);
            stranger.until = now.awake.plus(HELLO_TIME);
        } else {
            self.join(now, peer, at, actions);
        }
    }

    pub(super) fn disconnected(&mut self, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        if let Some(stranger) = self.strangers.remove(&peer) {
            turn_away(peer, stranger.address, Some(why), actions);
        } else if self.joined.contains_key(&peer) {
            self.drop_joined(peer, Loss::Disconnected(why), actions);
        }
    }

    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        let now = now.awake;
        self.turn_away_silent(now, actions);
        self.check_joined(now, actions);
        self.end_roll_call(now, actions);
        if now >= self.next_probe && self.awaits_more() {
            actions.push(Action::Probe);
            self.next_probe = now.plus(DISCOVERY_INTERVAL);
        }
    }

    pub(super) fn deadline(&self) -> Deadline {
        let strangers = self.strangers.values().map(|stranger| stranger.until);
        let joined = self.joined.values().filter_map(|slave| slave.liveness.deadline());
        let probe = self.awaits_more().then_some(self.next_probe);
        let awake = strangers.chain(joined).chain(probe).chain(self.give_up).chain(self.roll_call).min();
        Deadline { awake, monotonic: None }
    }

    /// Whether the set is complete and enough of it have answered lately.
    pub(super) fn is_complete(&self) -> bool {
        self.joined.values().filter(|slave| !slave.called).count() >= self.wanted()
    }

    /// When as many have joined as are wanted, asks those that were not heard lately, once.
    pub(super) fn call_roll(&mut self, now: Now, actions: &mut Actions) {
        let now = now.awake;
        if self.awaits_more() {
            self.roll_call = None;
        } else if self.roll_call.is_none() {
            self.roll_call = Some(now.plus(ROLL_CALL));
            for (peer, slave) in self.joined.iter_mut().filter(|(_, slave)| slave.liveness.silence(now) > ROLL_CALL) {
                slave.called = true;
                actions.send(*peer, Message::Probe(None));
            }
        }
    }

    pub(super) fn has_given_up(&self, now: Now) -> bool {
        self.give_up.is_some_and(|give_up| now.awake >= give_up)
    }

    /// Ends the phase with the slaves that take part; all other connections are closed.
    pub(super) fn into_members(self, actions: &mut Actions) -> Vec<Member> {
        let wanted = self.wanted();
        let (answering, silent): (Vec<_>, Vec<_>) = self.joined.into_iter().partition(|(_, slave)| !slave.called);
        let mut answering = answering.into_iter();
        let members = (0..).zip(answering.by_ref().take(wanted)).map(|(rank, (peer, slave))| Member {
            rank,
            peer,
            label: slave.label,
            features: slave.features,
            liveness: slave.liveness,
            clock: PeerClock::default(),
            round_trip: slave.round_trip,
            probed_at: None,
            held: None,
            held_at: None,
            slowest_probe: Duration::ZERO,
            gone: None,
            output: None,
        });
        let members: Vec<_> = members.collect();
        let surplus = answering.chain(silent).map(|(peer, slave)| (peer, slave.label.address));
        let strangers = self.strangers.into_iter().map(|(peer, stranger)| (peer, stranger.address));
        for (peer, address) in surplus.chain(strangers) {
            actions.close(peer);
            actions.tell(Notice::Released { address });
        }
        members
    }

    /// Ends the phase without a slaveset.
    pub(super) fn into_rows(mut self, now: Now, interrupted: bool, actions: &mut Actions) -> Vec<Row> {
        self.drop_silent(actions);
        if let (false, Some(wait)) = (interrupted, self.settings.wait) {
            actions.tell(Notice::GaveUp { joined: self.joined.len(), slaves: self.wanted(), wait });
        }
        let members = self.into_members(actions);
        for member in &members {
            actions.close(member.peer);
        }
        members.iter().map(|member| member.row(Outcome::Cancelled, now.monotonic)).collect()
    }

    fn wanted(&self) -> usize {
        usize::try_from(self.settings.slaves.get()).unwrap_or(usize::MAX)
    }

    fn awaits_more(&self) -> bool {
        self.joined.len() < self.wanted()
    }

    fn join(&mut self, now: Now, peer: PeerId, at: MonotonicInstant, actions: &mut Actions) {
        let Some(greeting) = self.strangers.remove(&peer).and_then(|stranger| stranger.greeting) else {
            return;
        };
        let liveness = Liveness::new(self.settings.lost_after, now.awake);
        let Greeting { label, features, original, probed } = greeting;
        let round_trip = probed.until(now, at);
        self.joined.insert(peer, Joined { label: label.clone(), features, liveness, round_trip, called: false });
        actions.tell(Notice::Joined { slave: label, original, joined: self.joined.len(), slaves: self.wanted() });
    }

    fn drop_joined(&mut self, peer: PeerId, why: Loss, actions: &mut Actions) {
        let Some(slave) = self.joined.remove(&peer) else {
            return;
        };
        actions.close(peer);
        actions.tell(Notice::Dropped { slave: slave.label, why, joined: self.joined.len(), slaves: self.wanted() });
    }

    /// Lets the oldest go that has said nothing; where all have, the oldest of them.
    fn make_room(&mut self, actions: &mut Actions) {
        let silent = self.strangers.iter().find(|(_, stranger)| stranger.greeting.is_none());
        let Some(peer) = silent.or(self.strangers.iter().next()).map(|(peer, _)| *peer) else { return };
        if let Some(stranger) = self.strangers.remove(&peer) {
            turn_away(peer, stranger.address, None, actions);
        }
    }

    fn turn_away_silent(&mut self, now: AwakeInstant, actions: &mut Actions) {
        self.strangers.retain(|peer, stranger| {
            let in_time = now < stranger.until;
            if !in_time {
                turn_away(*peer, stranger.address, None, actions);
            }
            in_time
        });
    }

    fn check_joined(&mut self, now: AwakeInstant, actions: &mut Actions) {
        let mut lost = Vec::new();
        for (peer, slave) in &mut self.joined {
            match slave.liveness.check(now) {
                Pulse::Fine | Pulse::Late(_) => {}
                Pulse::Probe => actions.send(*peer, Message::Probe(None)),
                Pulse::Lost => lost.push((*peer, Loss::Silent(slave.liveness.silence(now)))),
            }
        }
        for (peer, why) in lost {
            self.drop_joined(peer, why, actions);
        }
    }

    fn end_roll_call(&mut self, now: AwakeInstant, actions: &mut Actions) {
        if self.roll_call.is_none_or(|end| now < end) {
            return;
        }
        self.roll_call = None;
        self.drop_silent(actions);
    }

    fn drop_silent(&mut self, actions: &mut Actions) {
        let silent: Vec<_> = self.joined.iter().filter(|(_, slave)| slave.called).map(|(peer, _)| *peer).collect();
        for peer in silent {
            self.drop_joined(peer, Loss::NoAnswer(ROLL_CALL), actions);
        }
    }
}

impl Greeting {
    fn new(address: SocketAddr, capabilities: Option<&Capabilities>, probed: Now) -> Self {
        let name = capabilities.map_or_else(|| address.ip().to_string(), |block| block.name.clone());
        let theirs = capabilities.map_or(Features::NONE, |block| block.features);
        Self {
            label: SlaveLabel { name, address },
            features: Features::ours().agreed_with(theirs),
            original: capabilities.is_none(),
            probed,
        }
    }
}

fn turn_away(peer: PeerId, address: SocketAddr, why: Option<Disconnect>, actions: &mut Actions) {
    actions.close(peer);
    actions.tell(Notice::TurnedAway { address, why });
}
