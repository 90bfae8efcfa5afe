//! A slave that takes part in the session.

use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Now};
use super::liveness::{Liveness, Pulse};
use super::lobby::Comeback;
use super::output::OutputStream;
use super::peer_clock::PeerClock;
use super::{Loss, Notice, Outcome, PeerId, PhaseName, Row, SlaveLabel};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Feature, Features, Held, Message, ResumeToken};
use synexec_proto::time::MonotonicInstant;

/// What a peer has said.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) now: Now,
    pub(super) peer: PeerId,
    pub(super) message: Message,
    /// When it arrived at this host.
    pub(super) at: MonotonicInstant,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) rank: u32,
    pub(super) peer: PeerId,
    pub(super) label: SlaveLabel,
    pub(super) features: Features,
    pub(super) liveness: Liveness,
    pub(super) clock: PeerClock,
    /// The least time that it took to answer a probe.
    pub(super) round_trip: Duration,
    /// When it was probed, while it has not answered.
    pub(super) probed_at: Option<Now>,
    /// How its task is held, where it tells.
    pub(super) held: Option<Held>,
    /// Since when.
    pub(super) held_at: Option<MonotonicInstant>,
    /// The longest time that it took to answer a probe, or anything else meanwhile.
    pub(super) slowest_probe: Duration,
    /// Why it is not there any more, though its task has ended.
    pub(super) gone: Option<Loss>,
    /// The output of its last task, from when it is asked for.
    pub(super) output: Option<OutputStream>,
    /// By what it is known when it comes back.
    pub(super) token: Option<ResumeToken>,
    /// While its connection is broken and may be taken up again.
    pub(super) away: Option<Away>,
    /// How often its connection was taken up again in this round.
    pub(super) reconnects: u32,
}

/// A slave whose connection has broken, and that is waited for.
#[derive(Debug, Clone)]
pub(super) struct Away {
    since: AwakeInstant,
    until: AwakeInstant,
    why: Disconnect,
}

impl Away {
    pub(super) fn until(&self) -> AwakeInstant {
        self.until
    }
}

impl Member {
    pub(super) fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// The slave said something.
    pub(super) fn heard(&mut self, heard: &Heard, actions: &mut Actions) {
        if self.liveness.is_late() {
            let after = self.liveness.silence(heard.now.awake);
            actions.tell(Notice::Recovered { slave: self.label.clone(), after });
        }
        self.liveness.heard(heard.now.awake);
        let is_here = self.gone.is_none() && self.has(Feature::Resume);
        if is_here && matches!(heard.message, Message::TaskEnded(_)) {
            self.send(Message::Ack, actions);
        }
        let Some(probed) = self.probed_at else { return };
        let took = probed.until(heard.now, heard.at);
        self.slowest_probe = self.slowest_probe.max(took);
        if let Message::Reply(_) = heard.message {
            self.probed_at = None;
            self.round_trip = self.round_trip.min(took);
        }
    }

    /// How late it answered when it was probed, where it did not answer in time.
    pub(super) fn answered_late(&self) -> Option<Duration> {
        Some(self.slowest_probe).filter(|slowest| *slowest > self.liveness.late_after())
    }

    /// Longest time that it took lately to answer. One whose clock can be asked is asked often, and what it took to
    /// answer its first probe, perhaps while it booted, says no more.
    pub(super) fn slowest_answer(&self) -> Duration {
        if self.has(Feature::Start) { self.clock.slowest_answer() } else { self.round_trip }
    }

    /// The slave's line in a report, with the estimate of its clock that holds at an instant.
    pub(super) fn row(&self, outcome: Outcome, at: MonotonicInstant) -> Row {
        Row {
            is_original: self.features == Features::NONE,
            held: self.held,
            held_at: self.held_at,
            clock: self.clock.estimate(at),
            answered_late: self.answered_late(),
            reconnects: self.reconnects,
            ..Row::new(self.rank, self.label.clone(), outcome)
        }
    }

    /// The connection has ended. Tells whether the slave has time to come back; there is nothing to be sent meanwhile.
    pub(super) fn cut(&mut self, now: Now, why: &Disconnect, reconnect: Duration, actions: &mut Actions) -> bool {
        if self.away.is_some() {
            return true;
        }
        if self.token.is_none() || self.gone.is_some() || reconnect.is_zero() || !why.may_return() {
            return false;
        }
        self.away = Some(Away { since: now.awake, until: now.awake.plus(reconnect), why: why.clone() });
        self.probed_at = None;
        self.liveness.pause();
        self.output.iter_mut().for_each(OutputStream::cut);
        actions.close(self.peer);
        actions.tell(Notice::Away { slave: self.label.clone(), why: why.clone(), wait: reconnect });
        true
    }

    /// The slave is there again, as this peer. What it is told first is that it was recognised.
    pub(super) fn take_back(&mut self, comeback: Comeback, actions: &mut Actions) {
        let Comeback { now, peer, ours, .. } = comeback;
        let after = self.away.take().map(|away| now.awake.since(away.since));
        if after.is_none() {
            // The slave has noticed before us that the connection is broken.
            actions.close(self.peer);
        }
        self.peer = peer;
        self.reconnects = self.reconnects.saturating_add(1);
        self.probed_at = Some(now);
        self.liveness.resume(now.awake);
        actions.send(peer, Message::Probe(Some(ours.resuming(self.token))));
        actions.tell(Notice::Returned { slave: self.label.clone(), after: after.unwrap_or_default() });
        self.output.iter_mut().for_each(|output| output.reconnect(peer, actions));
    }

    /// It is lost, though its task may have ended before.
    pub(super) fn leave(&mut self, why: &Loss, actions: &mut Actions) {
        if self.gone.is_some() {
            return;
        }
        self.liveness.pause();
        let was_away = self.away.take().is_some();
        if !was_away && self.has(Feature::Resume) && !matches!(why, Loss::Disconnected(_)) {
            actions.send(self.peer, Message::Bye);
        }
        if !was_away {
            actions.close(self.peer);
        }
        self.gone = Some(why.clone());
    }

    /// Sends a message, unless there is no connection.
    pub(super) fn send(&self, message: Message, actions: &mut Actions) {
        if self.away.is_none() {
            actions.send(self.peer, message);
        }
    }

    /// Ends the connection, and says that this is the end.
    pub(super) fn part(&self, actions: &mut Actions) {
        if self.away.is_some() || self.gone.is_some() {
            return;
        }
        if self.has(Feature::Resume) {
            actions.send(self.peer, Message::Bye);
        }
        actions.close(self.peer);
    }

    /// Asks the slave whether it is there when that is due; tells when it has not answered, or has not come back.
    pub(super) fn check(&mut self, now: Now, actions: &mut Actions) -> Option<Loss> {
        if let Some(away) = &self.away {
            return (now.awake >= away.until).then(|| Loss::Disconnected(away.why.clone()));
        }
        match self.liveness.check(now.awake) {
            Pulse::Fine => None,
            Pulse::Probe => {
                actions.send(self.peer, Message::Probe(None));
                self.probed_at = Some(now);
                None
            }
            Pulse::Late(silence) => {
                actions.tell(Notice::Late { slave: self.label.clone(), silence });
                None
            }
            Pulse::Lost => Some(Loss::Silent(self.liveness.silence(now.awake))),
        }
    }
}

/// An order that a slave has to answer, and until when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unanswered {
    since: AwakeInstant,
    limit: Duration,
}

impl Unanswered {
    pub(super) fn new(since: AwakeInstant, limit: Duration) -> Self {
        Self { since, limit }
    }

    pub(super) fn deadline(self) -> AwakeInstant {
        self.since.plus(self.limit)
    }

    pub(super) fn check(self, now: AwakeInstant) -> Option<Loss> {
        (now >= self.deadline()).then_some(Loss::NoAnswer(self.limit))
    }
}

/// The start of a phase, from which "lost after" is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhaseStart {
    pub(super) phase: PhaseName,
    pub(super) at: AwakeInstant,
}

impl PhaseStart {
    pub(super) fn lost(self, now: AwakeInstant, why: Loss) -> Outcome {
        Outcome::Lost { phase: self.phase, after: now.since(self.at), why }
    }
}
