//! The slaves that take part, each with what a phase knows of it.

use std::collections::HashMap;
use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Now};
use super::lobby::Comeback;
use super::member::{Away, Member, Unanswered};
use super::{Loss, Notice, Outcome, PeerId, Row, SlaveLabel};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Features, Reason};

/// All slaves, by rank.
#[derive(Debug)]
pub(super) struct Roster<S> {
    slaves: Vec<Slave<S>>,
    by_peer: HashMap<PeerId, usize>,
}

/// One slave, with its state in a phase.
#[derive(Debug)]
pub(super) struct Slave<S> {
    pub(super) member: Member,
    pub(super) state: S,
    /// With what it has failed, so that nothing more is expected of it.
    pub(super) failure: Option<Outcome>,
}

/// What a phase waits for.
pub(super) trait Awaited {
    /// Whether nothing more is expected of the slave, so that its silence does not matter.
    fn is_settled(&self) -> bool {
        false
    }

    /// The order that it has to answer, if there is one.
    fn unanswered(&self) -> Option<Unanswered>;
}

impl<S> Roster<S> {
    pub(super) fn new(members: Vec<Member>, mut state: impl FnMut(&Member) -> S) -> Self {
        let by_peer = members.iter().enumerate().map(|(index, member)| (member.peer, index)).collect();
        let slaves = members.into_iter().map(|member| Slave { state: state(&member), member, failure: None }).collect();
        Self { slaves, by_peer }
    }

    pub(super) fn len(&self) -> usize {
        self.slaves.len()
    }

    pub(super) fn get(&self, peer: PeerId) -> Option<&Slave<S>> {
        self.slaves.get(*self.by_peer.get(&peer)?)
    }

    pub(super) fn get_mut(&mut self, peer: PeerId) -> Option<&mut Slave<S>> {
        self.slaves.get_mut(*self.by_peer.get(&peer)?)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Slave<S>> {
        self.slaves.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Slave<S>> {
        self.slaves.iter_mut()
    }

    /// The slave at this place.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Slave<S>> {
        self.slaves.get_mut(index)
    }

    /// The slave of this rank.
    pub(super) fn of_rank_mut(&mut self, rank: u32) -> Option<&mut Slave<S>> {
        self.at_mut(usize::try_from(rank).ok()?)
    }

    /// The slave that has said something, unless what it said comes from a connection that is over.
    pub(super) fn hearing(&mut self, peer: PeerId) -> Option<&mut Slave<S>> {
        self.get_mut(peer).filter(|slave| slave.member.away.is_none())
    }

    /// A connection has ended; tells whether its slave has time to come back.
    pub(super) fn cut(
        &mut self,
        now: Now,
        peer: PeerId,
        why: &Disconnect,
        reconnect: Duration,
        actions: &mut Actions,
    ) -> bool {
        self.get_mut(peer).is_some_and(|slave| slave.member.cut(now, why, reconnect, actions))
    }

    /// A slave has come back as this peer, if it is one of ours that is not lost.
    pub(super) fn take_back(&mut self, comeback: Comeback, actions: &mut Actions) -> Option<&mut Slave<S>> {
        let is_it = |slave: &Slave<S>| slave.member.token == Some(comeback.token) && slave.member.gone.is_none();
        let index = self.slaves.iter().position(is_it)?;
        let slave = self.slaves.get_mut(index)?;
        self.by_peer.remove(&slave.member.peer);
        self.by_peer.insert(comeback.peer, index);
        slave.member.take_back(comeback, actions);
        Some(slave)
    }

    /// Whether one is waited for to come back.
    pub(super) fn has_away(&self) -> bool {
        self.slaves.iter().any(|slave| slave.member.away.is_some())
    }

    pub(super) fn into_members(self) -> Vec<Member> {
        self.slaves.into_iter().map(|slave| slave.member).collect()
    }

    /// What is agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.get(peer).map_or(Features::NONE, |slave| slave.member.features)
    }
}

impl<S: Awaited> Slave<S> {
    /// Whether nothing more is expected of it.
    pub(super) fn is_settled(&self) -> bool {
        self.failure.is_some() || self.state.is_settled()
    }

    /// Whether something is expected of it, if only that it comes back.
    fn is_watched(&self) -> bool {
        !self.is_settled() || self.member.away.is_some()
    }

    /// The order that it has to answer; while it is away it cannot.
    fn awaited_answer(&self) -> Option<Unanswered> {
        self.state.unanswered().filter(|_| self.member.away.is_none())
    }
}

impl<S: Awaited> Roster<S> {
    /// Notes that a slave has declined; tells whether it had not failed before.
    pub(super) fn decline(&mut self, peer: PeerId, reason: Option<Reason>, actions: &mut Actions) -> bool {
        let outcome = Outcome::Declined(reason.clone());
        self.fail(peer, outcome, actions, |slave| Notice::Declined { slave, reason })
    }

    /// Notes that a slave is lost; tells whether it had not failed before.
    pub(super) fn lose(&mut self, peer: PeerId, outcome: Outcome, why: Loss, actions: &mut Actions) -> bool {
        self.fail(peer, outcome, actions, |slave| Notice::Lost { slave, why })
    }

    fn fail(
        &mut self,
        peer: PeerId,
        outcome: Outcome,
        actions: &mut Actions,
        notice: impl FnOnce(SlaveLabel) -> Notice,
    ) -> bool {
        let Some(slave) = self.get_mut(peer).filter(|slave| !slave.is_settled()) else { return false };
        slave.failure = Some(outcome);
        actions.tell(notice(slave.member.label.clone()));
        slave.member.part(actions);
        true
    }

    /// The rows of a session that is called off before anything was started.
    pub(super) fn into_rows(self, now: Now, actions: &mut Actions) -> Vec<Row> {
        actions.tell(Notice::CalledOff);
        let row = |slave: Slave<S>| {
            if slave.failure.is_none() {
                slave.member.part(actions);
            }
            let outcome = slave.failure.unwrap_or(Outcome::Cancelled);
            slave.member.row(outcome, now.monotonic)
        };
        self.slaves.into_iter().map(row).collect()
    }

    /// Whether one has failed.
    pub(super) fn has_failure(&self) -> bool {
        self.slaves.iter().any(|slave| slave.failure.is_some())
    }

    /// Asks those that were silent for a while whether they are there; gives those that are lost.
    pub(super) fn check(&mut self, now: Now, actions: &mut Actions) -> Vec<(PeerId, Loss)> {
        let mut lost = Vec::new();
        for slave in self.slaves.iter_mut().filter(|slave| slave.is_watched()) {
            let silent = slave.member.check(now, actions);
            let unanswered = slave.awaited_answer().and_then(|order| order.check(now.awake));
            lost.extend(silent.or(unanswered).map(|why| (slave.member.peer, why)));
        }
        lost
    }

    /// When to check next.
    pub(super) fn deadline(&self) -> Option<AwakeInstant> {
        let watched = self.slaves.iter().filter(|slave| slave.is_watched());
        let deadlines = watched.flat_map(|slave| {
            let back_by = slave.member.away.as_ref().map(Away::until);
            [back_by, slave.member.liveness.deadline(), slave.awaited_answer().map(Unanswered::deadline)]
        });
        deadlines.flatten().min()
    }
}
