//! The slaves that take part, each with what a phase knows of it.

use std::collections::HashMap;

use super::actions::Actions;
use super::awake::{AwakeInstant, Now};
use super::member::{Member, Unanswered};
use super::{Loss, PeerId};
use crate::message::Features;

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
}

/// What a phase waits for.
pub(super) trait Awaited {
    /// Whether nothing more is expected of the slave, so that its silence does not matter.
    fn is_settled(&self) -> bool;

    /// The order that it has to answer, if there is one.
    fn unanswered(&self) -> Option<Unanswered>;
}

impl<S> Roster<S> {
    pub(super) fn new(members: Vec<Member>, mut state: impl FnMut(&Member) -> S) -> Self {
        let by_peer = members.iter().enumerate().map(|(index, member)| (member.peer, index)).collect();
        let slaves = members.into_iter().map(|member| Slave { state: state(&member), member }).collect();
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

    /// The slave of this rank.
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Slave<S>> {
        self.slaves.get_mut(index)
    }

    pub(super) fn into_members(self) -> Vec<Member> {
        self.slaves.into_iter().map(|slave| slave.member).collect()
    }

    /// What is agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.get(peer).map_or(Features::NONE, |slave| slave.member.features)
    }
}

impl<S: Awaited> Roster<S> {
    /// Asks those that were silent for a while whether they are there; gives those that are lost.
    pub(super) fn check(&mut self, now: Now, actions: &mut Actions) -> Vec<(PeerId, Loss)> {
        let mut lost = Vec::new();
        for slave in self.slaves.iter_mut().filter(|slave| !slave.state.is_settled()) {
            let silent = slave.member.check(now, actions);
            let unanswered = slave.state.unanswered().and_then(|order| order.check(now.awake));
            lost.extend(silent.or(unanswered).map(|why| (slave.member.peer, why)));
        }
        lost
    }

    /// When to check next.
    pub(super) fn deadline(&self) -> Option<AwakeInstant> {
        let waiting = self.slaves.iter().filter(|slave| !slave.state.is_settled());
        let deadlines = waiting.flat_map(|slave| {
            [slave.member.liveness.deadline(), slave.state.unanswered().map(Unanswered::deadline)].into_iter().flatten()
        });
        deadlines.min()
    }
}
