//! The slaves that take part, each with its state in a phase.
//!
//! The roster keeps count of its slaves by stage and knows which slave has to be looked at next, so that no event makes
//! the session look at all slaves: with thousands of slaves, that would be most of its work.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Now};
use super::comeback::{Comeback, FirstConnection};
use super::limits::Unanswered;
use super::member::Member;
use super::timetable::Timetable;
use super::{Loss, PeerId};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Features, ResumeToken, TOKEN_LEN};
use synexec_proto::time::MonotonicInstant;

/// All slaves, by rank.
#[derive(Debug)]
pub(super) struct Roster<S: Awaited> {
    slaves: Vec<Slave<S>>,
    by_peer: HashMap<PeerId, usize>,
    by_token: HashMap<[u8; TOKEN_LEN], usize>,
    index: Index<S::Stage>,
}

/// One slave, with its state in a phase.
#[derive(Debug)]
pub(super) struct Slave<S> {
    pub(super) member: Member,
    pub(super) state: S,
}

/// The state of a slave in a phase, and what the phase waits for.
pub(super) trait Awaited: Sized {
    /// What the phase counts.
    type Stage: Copy + Ord;

    /// The stage of the slave.
    fn stage(slave: &Slave<Self>) -> Self::Stage;

    /// Whether the slave's outcome in this phase is known, so that its silence does not matter.
    fn is_settled(&self) -> bool;

    /// The request that the slave has to answer, if there is one.
    fn unanswered(&self) -> Option<Unanswered>;

    /// When the phase has to look at the slave for another reason than its silence.
    fn look_at(_slave: &Slave<Self>) -> Option<AwakeInstant> {
        None
    }

    /// The instant from which it is the slave's turn, if the phase serves slaves in turn.
    fn turn_at(_slave: &Slave<Self>) -> Option<MonotonicInstant> {
        None
    }
}

/// One slave to change. When it is dropped, the roster takes note of the change.
pub(super) struct SlaveMut<'a, S: Awaited> {
    slave: &'a mut Slave<S>,
    place: usize,
    index: &'a mut Index<S::Stage>,
}

/// The stages and deadlines of all slaves, by their places in the roster.
#[derive(Debug)]
struct Index<T> {
    stages: Vec<T>,
    counts: BTreeMap<T, usize>,
    looks: Timetable<usize, AwakeInstant>,
    turns: Timetable<usize, MonotonicInstant>,
}

impl<S: Awaited> Roster<S> {
    pub(super) fn new(members: Vec<Member>, mut state: impl FnMut(&Member) -> S) -> Self {
        let slaves: Vec<_> = members.into_iter().map(|member| Slave { state: state(&member), member }).collect();
        let by_peer = slaves.iter().enumerate().map(|(place, slave)| (slave.member.peer, place)).collect();
        let token = |(place, slave): (usize, &Slave<S>)| Some((*slave.member.token?.as_bytes(), place));
        let by_token = slaves.iter().enumerate().filter_map(token).collect();
        let index = Index::new(&slaves);
        Self { slaves, by_peer, by_token, index }
    }

    pub(super) fn len(&self) -> usize {
        self.slaves.len()
    }

    pub(super) fn get(&self, peer: PeerId) -> Option<&Slave<S>> {
        self.slaves.get(*self.by_peer.get(&peer)?)
    }

    pub(super) fn get_mut(&mut self, peer: PeerId) -> Option<SlaveMut<'_, S>> {
        self.at_mut(*self.by_peer.get(&peer)?)
    }

    /// The slave of this rank.
    pub(super) fn of_rank_mut(&mut self, rank: u32) -> Option<SlaveMut<'_, S>> {
        self.at_mut(usize::try_from(rank).ok()?)
    }

    /// The slave that has said something, unless the message comes from a connection that is over.
    pub(super) fn hearing(&mut self, peer: PeerId) -> Option<SlaveMut<'_, S>> {
        self.get_mut(peer).filter(|slave| !slave.member.is_away())
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Slave<S>> {
        self.slaves.iter()
    }

    /// Changes all slaves, one after another.
    pub(super) fn for_each_mut(&mut self, mut change: impl FnMut(&mut Slave<S>)) {
        for place in 0..self.slaves.len() {
            if let Some(mut slave) = self.at_mut(place) {
                change(&mut slave);
            }
        }
    }

    pub(super) fn peers(&self) -> Vec<PeerId> {
        self.slaves.iter().map(|slave| slave.member.peer).collect()
    }

    pub(super) fn into_slaves(self) -> Vec<Slave<S>> {
        self.slaves
    }

    pub(super) fn into_members(self) -> Vec<Member> {
        self.slaves.into_iter().map(|slave| slave.member).collect()
    }

    /// The features agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.get(peer).map_or(Features::NONE, |slave| slave.member.features)
    }

    /// The number of slaves in such a stage.
    pub(super) fn count(&self, is_counted: impl Fn(&S::Stage) -> bool) -> usize {
        self.index.counts.iter().filter(|(stage, _)| is_counted(stage)).map(|(_, count)| count).sum()
    }

    /// Whether all slaves are in such a stage.
    pub(super) fn all(&self, is_counted: impl Fn(&S::Stage) -> bool) -> bool {
        self.index.counts.keys().all(is_counted)
    }

    /// Whether a slave is in such a stage.
    pub(super) fn any(&self, is_counted: impl Fn(&S::Stage) -> bool) -> bool {
        self.index.counts.keys().any(is_counted)
    }

    /// The slave whose turn it is.
    pub(super) fn next_in_turn(&mut self, now: MonotonicInstant) -> Option<SlaveMut<'_, S>> {
        self.at_mut(self.index.turns.next_due(now)?)
    }

    /// When it is a slave's turn next.
    pub(super) fn next_turn_at(&self) -> Option<MonotonicInstant> {
        self.index.turns.earliest()
    }

    /// The peers of the slaves that have to be looked at now, by rank.
    pub(super) fn due(&self, now: AwakeInstant) -> Vec<PeerId> {
        let places = self.index.looks.due(now);
        places.into_iter().filter_map(|place| Some(self.slaves.get(place)?.member.peer)).collect()
    }

    /// When a slave has to be looked at next.
    pub(super) fn deadline(&self) -> Option<AwakeInstant> {
        self.index.looks.earliest()
    }

    /// Of the slaves that are due, probes those that are silent or rely on a heartbeat, and returns those that are lost.
    pub(super) fn check(&mut self, due: &[PeerId], now: Now, actions: &mut Actions) -> Vec<(PeerId, Loss)> {
        let mut lost = Vec::new();
        for peer in due {
            let Some(mut slave) = self.get_mut(*peer) else { continue };
            if !slave.is_watched() {
                slave.member.reassure(now, actions);
                continue;
            }
            let silent = slave.member.check(now, actions);
            let unanswered = slave.awaited_answer().and_then(|request| request.check(now.awake));
            lost.extend(silent.or(unanswered).map(|why| (*peer, why)));
        }
        lost
    }

    /// Takes note that a connection has ended. Returns whether its slave has time to resume it.
    pub(super) fn cut(
        &mut self,
        now: Now,
        peer: PeerId,
        why: &Disconnect,
        reconnect: Duration,
        actions: &mut Actions,
    ) -> bool {
        self.get_mut(peer).is_some_and(|mut slave| slave.member.cut(now, why, reconnect, actions))
    }

    /// Takes a slave back on its new connection, if the token is that of a slave that is not lost.
    pub(super) fn take_back(&mut self, comeback: Comeback, actions: &mut Actions) -> Option<SlaveMut<'_, S>> {
        let place = *self.by_token.get(comeback.token.as_bytes())?;
        let slave = self.slaves.get(place).filter(|slave| slave.member.lost.is_none())?;
        self.by_peer.remove(&slave.member.peer);
        self.by_peer.insert(comeback.peer, place);
        let mut slave = self.at_mut(place)?;
        slave.member.take_back(comeback, actions);
        Some(slave)
    }

    /// The connection of the slave with this token, if no end of it is known.
    pub(super) fn first_connection(&self, token: ResumeToken) -> Option<FirstConnection> {
        let Member { peer, liveness, .. } = &self.slaves.get(*self.by_token.get(token.as_bytes())?)?.member;
        let first = FirstConnection { peer: *peer, is_trusted: !liveness.is_late() };
        self.get(*peer)?.member.is_connected().then_some(first)
    }

    fn at_mut(&mut self, place: usize) -> Option<SlaveMut<'_, S>> {
        let slave = self.slaves.get_mut(place)?;
        Some(SlaveMut { slave, place, index: &mut self.index })
    }
}

impl<S: Awaited> Slave<S> {
    /// Whether the phase waits for something from the slave, if only that it connects anew.
    fn is_watched(&self) -> bool {
        !self.state.is_settled() || self.member.is_away()
    }

    /// The request that the slave has to answer. While the slave is away, it cannot.
    fn awaited_answer(&self) -> Option<Unanswered> {
        self.state.unanswered().filter(|_| !self.member.is_away())
    }

    /// When the slave has to be looked at next.
    fn look_at(&self) -> Option<AwakeInstant> {
        let silence = if self.is_watched() { self.member.deadline() } else { self.member.heartbeat_at() };
        let answer = self.awaited_answer().filter(|_| self.is_watched()).map(Unanswered::deadline);
        silence.into_iter().chain(answer).chain(S::look_at(self)).min()
    }
}

impl<S: Awaited> Deref for SlaveMut<'_, S> {
    type Target = Slave<S>;

    fn deref(&self) -> &Slave<S> {
        self.slave
    }
}

impl<S: Awaited> DerefMut for SlaveMut<'_, S> {
    fn deref_mut(&mut self) -> &mut Slave<S> {
        self.slave
    }
}

impl<S: Awaited> Drop for SlaveMut<'_, S> {
    fn drop(&mut self) {
        self.index.note(self.place, self.slave);
    }
}

impl<T: Copy + Ord> Index<T> {
    fn new<S: Awaited<Stage = T>>(slaves: &[Slave<S>]) -> Self {
        let stages: Vec<_> = slaves.iter().map(S::stage).collect();
        let mut counts = BTreeMap::new();
        for stage in &stages {
            *counts.entry(*stage).or_default() += 1;
        }
        let mut index = Self { stages, counts, looks: Timetable::default(), turns: Timetable::default() };
        for (place, slave) in slaves.iter().enumerate() {
            index.note(place, slave);
        }
        index
    }

    /// Takes note of what has changed at a place.
    fn note<S: Awaited<Stage = T>>(&mut self, place: usize, slave: &Slave<S>) {
        self.looks.set(place, slave.look_at());
        self.turns.set(place, S::turn_at(slave));
        let (now, Some(before)) = (S::stage(slave), self.stages.get_mut(place)) else { return };
        let before = std::mem::replace(before, now);
        if before == now {
            return;
        }
        if let Some(count) = self.counts.get_mut(&before) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&before);
            }
        }
        *self.counts.entry(now).or_default() += 1;
    }
}
