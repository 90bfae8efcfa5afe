//! What joining does about other masters of the same session.

use std::net::Ipv4Addr;

use super::{Joining, Newcomer};
use crate::master::actions::Actions;
use crate::master::admission::Admission;
use crate::master::awake::{AwakeInstant, Now};
use crate::master::timetable::Timetable;
use crate::master::{Action, Notice, PeerId, Rivalry};

impl Joining {
    /// A probe of another master was heard.
    pub(in crate::master) fn rival_heard(&mut self, now: Now, theirs: Ipv4Addr, ours: Ipv4Addr, actions: &mut Actions) {
        if let Some(met) = self.rivals.heard(now.awake, theirs, ours) {
            actions.tell(Notice::Rivalry(met));
        }
        self.take_turn(now.awake, actions);
    }

    /// Whether the master sends probes.
    pub(super) fn invites(&self) -> bool {
        self.awaits_more() && !self.rivals.is_yielding()
    }

    /// Takes the probes of other masters once in a while.
    pub(super) fn look_for_rivals(&mut self, now: AwakeInstant, actions: &mut Actions) {
        if self.rivals.take_look(now) {
            self.take_turn(now, actions);
            actions.push(Action::HearRivals);
        }
    }

    fn take_turn(&mut self, now: AwakeInstant, actions: &mut Actions) {
        let Some(change) = self.rivals.take_turn(now, self.awaits_more(), self.joined.len()) else { return };
        actions.tell(Notice::Rivalry(change));
        if self.rivals.is_yielding() {
            self.release_all(actions);
        } else {
            self.next_probe = now;
        }
    }

    /// Releases the slaves that have joined, so that they hear the other master.
    fn release_all(&mut self, actions: &mut Actions) {
        for (peer, slave) in std::mem::take(&mut self.joined) {
            actions.dismiss(peer, slave.features, None);
        }
        self.admission = Admission::new(self.settings.slaves, self.settings.names.clone());
        self.by_instance.clear();
        self.called.clear();
        (self.looks, self.roll_call) = (Timetable::default(), None);
    }

    /// Releases a slave at once if this master yields. Returns whether it does.
    pub(super) fn leaves_to_rival(&self, peer: PeerId, newcomer: &Newcomer, actions: &mut Actions) -> bool {
        let is_yielding = self.rivals.is_yielding();
        if is_yielding {
            actions.dismiss(peer, newcomer.features, None);
            actions.tell(Notice::Rivalry(Rivalry::TurnedAway { address: newcomer.label.address }));
        }
        is_yielding
    }
}
