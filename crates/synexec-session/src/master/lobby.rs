//! The lobby: connections that have not shown yet whose they are, in every phase. A slave says hello, is probed, and
//! answers; one that has been here before says so in its hello.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Now};
use super::member::Heard;
use super::{Notice, PeerId, SlaveLabel};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, Features, Message, ResumeToken};

/// Time for a connection to say hello, and to answer the first probe.
const HELLO_TIME: Duration = Duration::from_secs(5);

/// Most connections that have not yet shown to be slaves; beyond it the oldest that has said nothing goes.
const STRANGERS_MAX: usize = 2048;

#[derive(Debug)]
pub(super) struct Lobby {
    /// What the master calls itself.
    name: String,
    strangers: BTreeMap<PeerId, Stranger>,
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
    instance: Option<u64>,
    probed: Now,
}

/// Who has shown itself.
#[derive(Debug)]
pub(super) enum Visitor {
    /// A slave that wants to take part.
    Newcomer(Newcomer),
    /// One that says that it takes part already.
    Returning {
        token: ResumeToken,
        /// Where it comes from.
        address: SocketAddr,
    },
}

/// A slave that comes back, as which peer and by which token, and what the master has to say to it.
#[derive(Debug)]
pub(super) struct Comeback {
    pub(super) now: Now,
    pub(super) peer: PeerId,
    pub(super) token: ResumeToken,
    pub(super) ours: Capabilities,
}

#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) label: SlaveLabel,
    pub(super) features: Features,
    pub(super) original: bool,
    /// Time that it took to answer its probe.
    pub(super) round_trip: Duration,
    /// By what it is known when it connects anew.
    pub(super) instance: Option<u64>,
}

impl Lobby {
    pub(super) fn new(name: String) -> Self {
        Self { name, strangers: BTreeMap::new() }
    }

    /// What the master announces of itself.
    pub(super) fn ours(&self) -> Capabilities {
        Capabilities::ours(&self.name)
    }

    pub(super) fn has(&self, peer: PeerId) -> bool {
        self.strangers.contains_key(&peer)
    }

    /// What is agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        let greeting = self.strangers.get(&peer).and_then(|stranger| stranger.greeting.as_ref());
        greeting.map_or(Features::NONE, |greeting| greeting.features)
    }

    pub(super) fn connected(&mut self, now: Now, peer: PeerId, address: SocketAddr, actions: &mut Actions) {
        if self.strangers.len() >= STRANGERS_MAX {
            self.make_room(actions);
        }
        self.strangers.insert(peer, Stranger { address, until: now.awake.plus(HELLO_TIME), greeting: None });
    }

    /// Takes what a stranger says; gives who it is once that is known, and then it is none any more.
    pub(super) fn received(&mut self, heard: &Heard, actions: &mut Actions) -> Option<Visitor> {
        let (Message::Reply(capabilities), Some(stranger)) = (&heard.message, self.strangers.get_mut(&heard.peer))
        else {
            return None;
        };
        let address = stranger.address;
        if stranger.greeting.is_some() {
            let greeting = self.strangers.remove(&heard.peer)?.greeting?;
            return Some(Visitor::Newcomer(greeting.answered(heard)));
        }
        if let Some(token) = capabilities.as_ref().and_then(|block| block.token) {
            self.strangers.remove(&heard.peer);
            return Some(Visitor::Returning { token, address });
        }
        let greeting = Greeting::new(address, capabilities.as_ref(), heard.now);
        stranger.until = heard.now.awake.plus(HELLO_TIME);
        let is_original = greeting.original;
        stranger.greeting = Some(greeting);
        let ours = (!is_original).then(|| self.ours());
        actions.send(heard.peer, Message::Probe(ours));
        None
    }

    /// One that says that it takes part, and does not: it is told that nobody knows it here.
    pub(super) fn turn_back(&self, peer: PeerId, address: SocketAddr, actions: &mut Actions) {
        actions.send(peer, Message::Probe(Some(self.ours())));
        actions.send(peer, Message::Bye);
        actions.close(peer);
        actions.tell(Notice::Released { address });
    }

    pub(super) fn disconnected(&mut self, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        if let Some(stranger) = self.strangers.remove(&peer) {
            turn_away(peer, stranger.address, Some(why), actions);
        }
    }

    /// Turns away those that have not shown in time whose they are.
    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        self.strangers.retain(|peer, stranger| {
            let in_time = now.awake < stranger.until;
            if !in_time {
                turn_away(*peer, stranger.address, None, actions);
            }
            in_time
        });
    }

    pub(super) fn deadline(&self) -> Option<AwakeInstant> {
        self.strangers.values().map(|stranger| stranger.until).min()
    }

    /// Lets the oldest go that has said nothing; where all have, the oldest of them. Who takes part is no stranger, and
    /// stays.
    pub(super) fn make_room(&mut self, actions: &mut Actions) {
        let silent = self.strangers.iter().find(|(_, stranger)| stranger.greeting.is_none());
        let Some(peer) = silent.or(self.strangers.iter().next()).map(|(peer, _)| *peer) else { return };
        if let Some(stranger) = self.strangers.remove(&peer) {
            turn_away(peer, stranger.address, None, actions);
        }
    }

    /// Lets all go: nobody more is wanted.
    pub(super) fn clear(&mut self, actions: &mut Actions) {
        for (peer, stranger) in std::mem::take(&mut self.strangers) {
            actions.close(peer);
            actions.tell(Notice::Released { address: stranger.address });
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
            instance: capabilities.and_then(|block| block.instance),
            probed,
        }
    }

    fn answered(self, heard: &Heard) -> Newcomer {
        let round_trip = self.probed.until(heard.now, heard.at);
        let Self { label, features, original, instance, .. } = self;
        Newcomer { label, features, original, round_trip, instance }
    }
}

fn turn_away(peer: PeerId, address: SocketAddr, why: Option<Disconnect>, actions: &mut Actions) {
    actions.close(peer);
    actions.tell(Notice::TurnedAway { address, why });
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::*;
    use synexec_proto::time::MonotonicInstant;

    fn now() -> Now {
        Now { awake: AwakeInstant::from_millis(0), monotonic: MonotonicInstant::from_nanos(0) }
    }

    fn connect(lobby: &mut Lobby, peer: u64, actions: &mut Actions) {
        lobby.connected(now(), PeerId(peer), "10.0.0.9:40000".parse().unwrap(), actions);
    }

    fn say_hello(lobby: &mut Lobby, peer: u64, actions: &mut Actions) -> Option<Visitor> {
        let (now, message) = (now(), Message::Reply(None));
        lobby.received(&Heard { now, peer: PeerId(peer), message, at: now.monotonic }, actions)
    }

    fn closed(actions: &mut Actions) -> Vec<PeerId> {
        let closes = |action| if let Action::Close { peer } = action { Some(peer) } else { None };
        std::iter::from_fn(|| actions.pop()).filter_map(closes).collect()
    }

    #[test]
    fn the_oldest_silent_one_goes_for_one_too_many_and_who_has_spoken_stays() {
        let (mut lobby, mut actions) = (Lobby::new("m".into()), Actions::default());
        let most = u64::try_from(STRANGERS_MAX).unwrap();
        connect(&mut lobby, 0, &mut actions);
        assert!(say_hello(&mut lobby, 0, &mut actions).is_none());
        (1..most).for_each(|peer| connect(&mut lobby, peer, &mut actions));
        assert_eq!(closed(&mut actions), []);
        for newer in 0..10 {
            connect(&mut lobby, most + newer, &mut actions);
            assert_eq!((closed(&mut actions), lobby.strangers.len()), (vec![PeerId(1 + newer)], STRANGERS_MAX));
        }
        assert!(matches!(say_hello(&mut lobby, 0, &mut actions), Some(Visitor::Newcomer(_))), "its answer");
        assert!(say_hello(&mut lobby, most, &mut actions).is_none());
        assert!(matches!(say_hello(&mut lobby, most, &mut actions), Some(Visitor::Newcomer(_))));
    }

    #[test]
    fn where_all_have_spoken_the_oldest_goes() {
        let (mut lobby, mut actions) = (Lobby::new("m".into()), Actions::default());
        for peer in 0..u64::try_from(STRANGERS_MAX).unwrap() {
            connect(&mut lobby, peer, &mut actions);
            assert!(say_hello(&mut lobby, peer, &mut actions).is_none());
        }
        assert_eq!(closed(&mut actions), []);
        connect(&mut lobby, 5000, &mut actions);
        assert_eq!(closed(&mut actions), [PeerId(0)]);
    }
}
