//! Slaves that have joined, and how they become members with ranks.

use std::time::Duration;

use super::admission::Place;
use super::liveness::Liveness;
use super::member::{Member, ThisRound};
use super::peer_clock::PeerClock;
use super::ranking::{self, Claim};
use super::{PeerId, Settings, SlaveLabel, label};
use synexec_proto::message::{Feature, Features};

/// A slave that has joined.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) label: SlaveLabel,
    pub(super) features: Features,
    pub(super) is_original: bool,
    pub(super) liveness: Liveness,
    /// Time that the slave took to answer its first probe.
    pub(super) round_trip: Duration,
    pub(super) instance: Option<u64>,
    pub(super) place: Place,
}

impl Joined {
    fn claim(&self, settings: &Settings) -> Claim<'_> {
        Claim {
            expected: settings.names.place(&self.label.name),
            name: (!self.is_original).then_some(&self.label.name),
            address: self.label.address.ip(),
        }
    }

    fn into_member(self, peer: PeerId, rank: u32, settings: &Settings) -> Member {
        let may_resume = self.features.has(Feature::Resume) && !settings.reconnect.is_zero();
        Member {
            rank,
            token: may_resume.then(|| settings.token_seed.token(rank)),
            peer,
            label: self.label,
            features: self.features,
            liveness: self.liveness,
            clock: PeerClock::default(),
            round_trip: self.round_trip,
            probed_at: None,
            lost: None,
            away: None,
            this_round: ThisRound::default(),
        }
    }
}

/// The slaves in the order of their ranks. Slaves that nothing else distinguishes keep the order in which they joined.
pub(super) fn ranked(mut slaves: Vec<(PeerId, Joined)>, settings: &Settings) -> Vec<(u32, PeerId, Joined)> {
    slaves.sort_by(|(_, one), (_, other)| ranking::compare(&one.claim(settings), &other.claim(settings)));
    let asked: Vec<_> = slaves.iter().map(|(_, slave)| slave.place.rank).collect();
    let ranks = ranking::ranks(&asked).into_iter();
    let mut ranked: Vec<_> = ranks.zip(slaves).map(|(rank, (peer, slave))| (rank, peer, slave)).collect();
    ranked.sort_by_key(|(rank, ..)| *rank);
    ranked
}

/// Makes slaves with equal names differ in what the user sees, and returns them, for each of these names.
pub(super) fn tell_apart(slaves: &mut [(u32, PeerId, Joined)]) -> Vec<Vec<SlaveLabel>> {
    let mut labels: Vec<_> = slaves.iter_mut().map(|(_, _, slave)| &mut slave.label).collect();
    label::tell_apart(&mut labels)
}

/// The members that slaves with these ranks become.
pub(super) fn members(slaves: Vec<(u32, PeerId, Joined)>, settings: &Settings) -> Vec<Member> {
    slaves.into_iter().map(|(rank, peer, slave)| slave.into_member(peer, rank, settings)).collect()
}
