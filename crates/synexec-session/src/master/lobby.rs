//! The lobby: connections that are not yet known to be a slave's, in every phase. A slave says hello, is probed, and
//! answers. A slave that takes part already says so in its hello.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Now};
use super::heard::Heard;
use super::timetable::Timetable;
use super::{Notice, PeerId, SlaveLabel};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, Features, Message, ResumeToken};

/// Time for a connection to say hello, and to answer the first probe.
const HELLO_TIME: Duration = Duration::from_secs(5);

/// Largest number of strangers. When one more comes, the oldest one that has said nothing is closed.
const STRANGERS_MAX: usize = 2048;

#[derive(Debug)]
pub(super) struct Lobby {
    /// The name by which the master introduces itself.
    name: String,
    strangers: BTreeMap<PeerId, Stranger>,
    /// Strangers that have not said hello.
    silent: BTreeSet<PeerId>,
    /// When the time of each stranger is over.
    limits: Timetable<PeerId, AwakeInstant>,
}

/// A connection that is not yet known to be a slave's.
#[derive(Debug)]
struct Stranger {
    address: SocketAddr,
    /// The stranger's hello. It is probed then.
    greeting: Option<Greeting>,
    /// What the stranger claims, if it is a second connection of a slave that takes part. It is probed then.
    claim: Option<Claim>,
}

/// The claim to be a slave whose first connection has not broken. It counts when the stranger answers its probe: a slave
/// that has heard from its master on the first connection closes the second one, and the master may learn this late.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) token: ResumeToken,
    first: PeerId,
}

#[derive(Debug)]
struct Greeting {
    label: SlaveLabel,
    features: Features,
    original: bool,
    instance: Option<u64>,
    rank: Option<u32>,
    probed: Now,
}

/// A stranger that is known to be a slave's.
#[derive(Debug)]
pub(super) enum Visitor {
    /// A slave that wants to take part.
    Newcomer(Newcomer),
    /// A slave that says that it takes part already.
    Returning {
        token: ResumeToken,
        /// The address from which it comes.
        address: SocketAddr,
    },
    /// A slave that takes part already, on a second connection on which it has answered.
    Proven { token: ResumeToken, address: SocketAddr },
}

/// The second connection of a slave, and what the slave claims there.
#[derive(Debug)]
pub(super) struct Second {
    pub(super) peer: PeerId,
    pub(super) token: ResumeToken,
    /// The address from which the connection comes.
    pub(super) address: SocketAddr,
}

#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) label: SlaveLabel,
    pub(super) features: Features,
    pub(super) original: bool,
    /// Time that the slave took to answer its first probe.
    pub(super) round_trip: Duration,
    /// The number by which the slave is recognised when it connects anew.
    pub(super) instance: Option<u64>,
    /// The rank that the slave asks for.
    pub(super) rank: Option<u32>,
}

impl Lobby {
    pub(super) fn new(name: String) -> Self {
        Self { name, strangers: BTreeMap::new(), silent: BTreeSet::new(), limits: Timetable::default() }
    }

    /// What the master announces of itself.
    pub(super) fn ours(&self) -> Capabilities {
        Capabilities::ours(&self.name)
    }

    pub(super) fn has(&self, peer: PeerId) -> bool {
        self.strangers.contains_key(&peer)
    }

    /// The features agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        let greeting = self.strangers.get(&peer).and_then(|stranger| stranger.greeting.as_ref());
        greeting.map_or(Features::NONE, |greeting| greeting.features)
    }

    pub(super) fn connected(&mut self, now: Now, peer: PeerId, address: SocketAddr, actions: &mut Actions) {
        if self.strangers.len() >= STRANGERS_MAX {
            self.make_room(actions);
        }
        self.strangers.insert(peer, Stranger { address, greeting: None, claim: None });
        self.silent.insert(peer);
        self.limits.set(peer, Some(now.awake.plus(HELLO_TIME)));
    }

    /// Takes a message of a stranger. Once the stranger is known to be a slave's, it leaves the lobby and is returned.
    pub(super) fn received(&mut self, heard: &Heard, actions: &mut Actions) -> Option<Visitor> {
        let (Message::Reply(capabilities), Some(stranger)) = (&heard.message, self.strangers.get_mut(&heard.peer))
        else {
            return None;
        };
        let address = stranger.address;
        if let Some(Claim { token, .. }) = stranger.claim {
            self.remove(heard.peer);
            return Some(Visitor::Proven { token, address });
        }
        if stranger.greeting.is_some() {
            let greeting = self.remove(heard.peer)?.greeting?;
            return Some(Visitor::Newcomer(greeting.answered(heard)));
        }
        if let Some(token) = capabilities.as_ref().and_then(|block| block.token) {
            self.remove(heard.peer);
            return Some(Visitor::Returning { token, address });
        }
        let greeting = Greeting::new(address, capabilities.as_ref(), heard.now);
        let is_original = greeting.original;
        stranger.greeting = Some(greeting);
        self.silent.remove(&heard.peer);
        self.limits.set(heard.peer, Some(heard.now.awake.plus(HELLO_TIME)));
        let ours = (!is_original).then(|| self.ours());
        actions.send(heard.peer, Message::Probe(ours));
        None
    }

    /// Probes a second connection, on which a slave claims to take part, and waits for its answer. The first message tells the
    /// slave that it was recognised.
    pub(super) fn probe_second(
        &mut self,
        now: Now,
        peer: PeerId,
        address: SocketAddr,
        claim: Claim,
        actions: &mut Actions,
    ) {
        self.strangers.insert(peer, Stranger { address, greeting: None, claim: Some(claim) });
        self.limits.set(peer, Some(now.awake.plus(HELLO_TIME)));
        actions.send(peer, Message::Probe(Some(self.ours().resuming(Some(claim.token)))));
    }

    /// Takes the second connection of a slave out of the lobby, because its first connection has broken.
    pub(super) fn take_second(&mut self, first: PeerId) -> Option<Second> {
        let mut claims = self.strangers.iter().filter_map(|(peer, stranger)| Some((*peer, stranger.claim?)));
        let (peer, claim) = claims.rfind(|(_, claim)| claim.first == first)?;
        let Stranger { address, .. } = self.remove(peer)?;
        Some(Second { peer, token: claim.token, address })
    }

    /// Whether a slave has a second connection, and has not answered there.
    pub(super) fn has_second(&self) -> bool {
        self.strangers.values().any(|stranger| stranger.claim.is_some())
    }

    /// Rejects a slave that wrongly claims to take part.
    pub(super) fn turn_back(&self, peer: PeerId, address: SocketAddr, actions: &mut Actions) {
        actions.send(peer, Message::Probe(Some(self.ours())));
        actions.dismiss(peer, Features::ours(), None);
        actions.tell(Notice::NotNeeded { address });
    }

    pub(super) fn disconnected(&mut self, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        if let Some(stranger) = self.remove(peer) {
            turn_away(peer, stranger.address, Some(why), actions);
        }
    }

    /// Turns away the strangers whose time is over.
    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        for peer in self.limits.due(now.awake) {
            if let Some(stranger) = self.remove(peer) {
                turn_away(peer, stranger.address, None, actions);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<AwakeInstant> {
        self.limits.earliest()
    }

    /// Closes the oldest stranger that has said nothing; if all have said hello, the oldest. Slaves that take part are no
    /// strangers, and stay.
    pub(super) fn make_room(&mut self, actions: &mut Actions) {
        let oldest = self.silent.first().or_else(|| self.strangers.keys().next()).copied();
        if let Some((peer, stranger)) = oldest.and_then(|peer| Some((peer, self.remove(peer)?))) {
            turn_away(peer, stranger.address, None, actions);
        }
    }

    fn remove(&mut self, peer: PeerId) -> Option<Stranger> {
        self.silent.remove(&peer);
        self.limits.set(peer, None);
        self.strangers.remove(&peer)
    }

    /// Closes all strangers, since no more slaves are wanted.
    pub(super) fn clear(&mut self, actions: &mut Actions) {
        (self.silent, self.limits) = (BTreeSet::new(), Timetable::default());
        for (peer, stranger) in std::mem::take(&mut self.strangers) {
            let features = if stranger.claim.is_some() { Features::ours() } else { Features::NONE };
            actions.dismiss(peer, features, None);
            actions.tell(Notice::NotNeeded { address: stranger.address });
        }
    }
}

impl Claim {
    /// The claim of the slave with this token and this first connection.
    pub(super) fn new(token: ResumeToken, first: PeerId) -> Self {
        Self { token, first }
    }
}

impl Greeting {
    fn new(address: SocketAddr, capabilities: Option<&Capabilities>, probed: Now) -> Self {
        let name = capabilities.map_or_else(|| address.ip().to_string(), |block| block.name.clone());
        let theirs = capabilities.map_or(Features::NONE, |block| block.features);
        Self {
            label: SlaveLabel::new(name, address),
            features: Features::ours().agreed_with(theirs),
            original: capabilities.is_none(),
            instance: capabilities.and_then(|block| block.instance),
            rank: capabilities.and_then(|block| block.rank),
            probed,
        }
    }

    fn answered(self, heard: &Heard) -> Newcomer {
        let round_trip = self.probed.until(heard.now, heard.at);
        let Self { label, features, original, instance, rank, .. } = self;
        Newcomer { label, features, original, round_trip, instance, rank }
    }
}

fn turn_away(peer: PeerId, address: SocketAddr, why: Option<Disconnect>, actions: &mut Actions) {
    actions.close(peer);
    actions.tell(Notice::TurnedAway { address, why });
}
