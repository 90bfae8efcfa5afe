//! Joining: the master invites and counts slaves until the slaveset is complete.

mod rivalry;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use super::actions::Actions;
use super::admission::Admission;
use super::awake::{AwakeInstant, Deadline, Now};
use super::heard::Heard;
use super::joined::{Joined, members, ranked, tell_apart};
use super::liveness::{Diagnosis, Liveness};
use super::lobby::Newcomer;
use super::member::Member;
use super::rivals::Rivals;
use super::timetable::Timetable;
use super::{Action, Loss, Notice, Outcome, PeerId, Row, Settings};
use synexec_proto::defaults::DISCOVERY_INTERVAL;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Features, Message, Reason};

/// A slave that was silent for this long is probed once more before the set counts as complete, and must answer within
/// the same time.
const ROLL_CALL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Joining {
    settings: Settings,
    next_probe: AwakeInstant,
    give_up: Option<AwakeInstant>,
    roll_call: Option<AwakeInstant>,
    /// Whether the time to join is over, and the slaves that have joined are enough.
    accepts_quorum: bool,
    admission: Admission,
    joined: BTreeMap<PeerId, Joined>,
    by_instance: HashMap<u64, PeerId>,
    /// Slaves that have not answered the roll call.
    called: BTreeSet<PeerId>,
    /// When each slave has to be looked at.
    looks: Timetable<PeerId, AwakeInstant>,
    rivals: Rivals,
}

impl Joining {
    pub(super) fn new(settings: Settings, now: AwakeInstant) -> Self {
        let give_up = settings.wait.map(|wait| now.plus(wait));
        Self {
            admission: Admission::new(settings.slaves, settings.names.clone()),
            rivals: Rivals::new(settings.token_seed.clone(), now),
            settings,
            next_probe: now,
            give_up,
            roll_call: None,
            accepts_quorum: false,
            joined: BTreeMap::new(),
            by_instance: HashMap::new(),
            called: BTreeSet::new(),
            looks: Timetable::default(),
        }
    }

    /// The features agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        self.joined.get(&peer).map_or(Features::NONE, |slave| slave.features)
    }

    pub(super) fn join(&mut self, now: Now, peer: PeerId, newcomer: Newcomer, actions: &mut Actions) {
        if self.leaves_to_rival(peer, &newcomer, actions) {
            return;
        }
        self.forget_earlier(newcomer.instance, actions);
        let place = match self.admission.admit(&newcomer.label, newcomer.rank) {
            Ok(place) => place,
            Err(why) => {
                actions.dismiss(peer, newcomer.features, Some(Reason::new(&why.to_string())));
                return actions.tell(Notice::NotAdmitted { slave: newcomer.label, why });
            }
        };
        let liveness = Liveness::new(self.settings.lost_after, now.awake);
        let Newcomer { label, features, original: is_original, round_trip, instance, .. } = newcomer;
        self.looks.set(peer, liveness.deadline());
        self.by_instance.extend(instance.map(|instance| (instance, peer)));
        let slave = label.clone();
        self.joined.insert(peer, Joined { label, features, is_original, liveness, round_trip, instance, place });
        actions.tell(Notice::Joined {
            slave,
            original: is_original,
            joined: self.joined.len(),
            slaves: self.asked_for(),
        });
    }

    /// Any message from a slave shows that the slave is there.
    pub(super) fn received(&mut self, heard: &Heard) {
        if let Some(slave) = self.joined.get_mut(&heard.peer) {
            slave.liveness.heard(heard.now.awake);
            self.looks.set(heard.peer, slave.liveness.deadline());
            self.called.remove(&heard.peer);
        }
    }

    pub(super) fn disconnected(&mut self, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        self.drop_joined(peer, Loss::Disconnected(why), actions);
    }

    pub(super) fn advance(&mut self, now: Now, actions: &mut Actions) {
        let now = now.awake;
        self.check_joined(now, actions);
        self.end_roll_call(now, actions);
        self.accept_quorum(now, actions);
        self.look_for_rivals(now, actions);
        if now >= self.next_probe && self.invites() {
            actions.push(Action::Probe);
            self.next_probe = now.plus(DISCOVERY_INTERVAL);
        }
    }

    pub(super) fn deadline(&self) -> Deadline {
        let probe = self.invites().then_some(self.next_probe);
        let give_up = self.give_up.filter(|_| !self.accepts_quorum);
        let others = probe.into_iter().chain(give_up).chain(self.roll_call).chain([self.rivals.deadline()]);
        let awake = self.looks.earliest().into_iter().chain(others).min();
        Deadline { awake, monotonic: None }
    }

    /// Whether the set is complete, and enough of its slaves have answered lately.
    pub(super) fn is_complete(&self) -> bool {
        self.joined.len().saturating_sub(self.called.len()) >= self.wanted()
    }

    /// When enough slaves have joined, probes once those that were not heard lately.
    pub(super) fn call_roll(&mut self, now: Now, actions: &mut Actions) {
        let now = now.awake;
        if self.awaits_more() {
            self.roll_call = None;
        } else if self.roll_call.is_none() {
            self.roll_call = Some(now.plus(ROLL_CALL));
            for (peer, _) in self.joined.iter().filter(|(_, slave)| slave.liveness.silence(now) > ROLL_CALL) {
                self.called.insert(*peer);
                actions.send(*peer, Message::Probe(None));
            }
        }
    }

    /// Whether the time to join is over, and too few slaves have joined.
    pub(super) fn has_given_up(&self, now: Now) -> bool {
        let is_wait_over = self.give_up.is_some_and(|give_up| now.awake >= give_up);
        is_wait_over && !(self.accepts_quorum && self.joined.len() >= self.quorum())
    }

    /// Ends the phase with the slaves that take part, by rank; all other connections are closed.
    pub(super) fn into_members(self, actions: &mut Actions) -> Vec<Member> {
        let settings = self.settings.clone();
        let mut ranked = ranked(self.into_chosen(actions), &settings);
        for slaves in tell_apart(&mut ranked) {
            actions.tell(Notice::EqualNames { slaves });
        }
        for (given, _, slave) in &ranked {
            if let Some(asked) = slave.place.rank.filter(|asked| asked != given) {
                actions.tell(Notice::OtherRank { slave: slave.label.clone(), asked, given: *given });
            }
        }
        members(ranked, &settings)
    }

    /// The slaves that take part. All other connections are closed.
    fn into_chosen(self, actions: &mut Actions) -> Vec<(PeerId, Joined)> {
        let wanted = self.wanted();
        let called = &self.called;
        let (answering, silent): (Vec<_>, Vec<_>) =
            self.joined.into_iter().partition(|(peer, _)| !called.contains(peer));
        let mut answering = answering.into_iter();
        let chosen = answering.by_ref().take(wanted).collect();
        for (peer, slave) in answering.chain(silent) {
            actions.close(peer);
            actions.tell(Notice::NotNeeded { address: slave.label.address });
        }
        chosen
    }

    /// Ends the phase without a slaveset.
    pub(super) fn into_rows(mut self, now: Now, interrupted: bool, actions: &mut Actions) -> Vec<Row> {
        self.drop_silent(actions);
        if let (false, Some(wait)) = (interrupted, self.settings.wait) {
            actions.tell(Notice::GaveUp { joined: self.joined.len(), slaves: self.asked_for(), wait });
        }
        let settings = self.settings.clone();
        let mut ranked = ranked(self.into_chosen(actions), &settings);
        tell_apart(&mut ranked);
        let members = members(ranked, &settings);
        for member in &members {
            member.part(actions);
        }
        members.iter().map(|member| member.row(Outcome::Cancelled, now.monotonic)).collect()
    }

    /// The number of slaves that are to take part. If a quorum is enough, that is the number of slaves that have joined, up to
    /// the number that was asked for.
    fn wanted(&self) -> usize {
        let all = self.asked_for();
        if self.accepts_quorum { self.joined.len().max(self.quorum()).min(all) } else { all }
    }

    fn asked_for(&self) -> usize {
        count(self.settings.slaves)
    }

    /// The number of slaves that is enough when the time to join is over.
    fn quorum(&self) -> usize {
        count(self.settings.quorum.unwrap_or(self.settings.slaves))
    }

    fn accept_quorum(&mut self, now: AwakeInstant, actions: &mut Actions) {
        let is_wait_over = self.give_up.is_some_and(|give_up| now >= give_up);
        if is_wait_over && !self.accepts_quorum && self.settings.quorum.is_some() && self.joined.len() >= self.quorum()
        {
            let (joined, slaves) = (self.joined.len(), self.asked_for());
            self.accepts_quorum = true;
            actions.tell(Notice::QuorumReached { joined, slaves });
        }
    }

    fn awaits_more(&self) -> bool {
        self.joined.len() < self.wanted()
    }

    /// Drops the earlier connection of a slave that connects anew: a slave may notice before the master that its connection
    /// has broken.
    fn forget_earlier(&mut self, instance: Option<u64>, actions: &mut Actions) {
        if let Some(peer) = instance.and_then(|instance| self.by_instance.get(&instance).copied()) {
            let why = Disconnect::Broken("the slave has opened a new connection".to_owned());
            self.drop_joined(peer, Loss::Disconnected(why), actions);
        }
    }

    fn drop_joined(&mut self, peer: PeerId, why: Loss, actions: &mut Actions) {
        let Some(slave) = self.joined.remove(&peer) else {
            return;
        };
        self.looks.set(peer, None);
        self.called.remove(&peer);
        if let Some(instance) = slave.instance {
            self.by_instance.remove(&instance);
        }
        self.admission.release(&slave.label, &slave.place);
        actions.close(peer);
        actions.tell(Notice::Dropped { slave: slave.label, why, joined: self.joined.len(), slaves: self.asked_for() });
    }

    fn check_joined(&mut self, now: AwakeInstant, actions: &mut Actions) {
        let mut lost = Vec::new();
        for peer in self.looks.due(now) {
            let Some(slave) = self.joined.get_mut(&peer) else { continue };
            match slave.liveness.check(now) {
                Diagnosis::Fine | Diagnosis::Late(_) => {}
                Diagnosis::ToProbe | Diagnosis::ToReassure => actions.send(peer, Message::Probe(None)),
                Diagnosis::Lost => lost.push((peer, Loss::Silent(slave.liveness.silence(now)))),
            }
            self.looks.set(peer, slave.liveness.deadline());
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
        for peer in std::mem::take(&mut self.called) {
            self.drop_joined(peer, Loss::NoProbeAnswer(ROLL_CALL), actions);
        }
    }
}

fn count(slaves: NonZeroU32) -> usize {
    usize::try_from(slaves.get()).unwrap_or(usize::MAX)
}
