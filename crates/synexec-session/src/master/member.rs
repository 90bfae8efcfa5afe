//! A slave that takes part in the session.

use std::time::Duration;

use super::actions::Actions;
use super::awake::{AwakeInstant, Now};
use super::comeback::Comeback;
use super::heard::Heard;
use super::liveness::{Diagnosis, Liveness};
use super::peer_clock::PeerClock;
use super::task_outputs::TaskOutputs;
use super::{Loss, Notice, Outcome, PeerId, Row, SlaveLabel};
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Feature, Features, Held, Message, ResumeToken};
use synexec_proto::time::MonotonicInstant;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) rank: u32,
    pub(super) peer: PeerId,
    pub(super) label: SlaveLabel,
    pub(super) features: Features,
    pub(super) liveness: Liveness,
    pub(super) clock: PeerClock,
    /// The shortest time that the slave took to answer a probe.
    pub(super) round_trip: Duration,
    /// When the slave was probed, while it has not answered.
    pub(super) probed_at: Option<Now>,
    /// Why the slave is lost, if it is lost after its task ended.
    pub(super) lost: Option<Loss>,
    /// The token by which the slave is recognised when it connects anew.
    pub(super) token: Option<ResumeToken>,
    /// While the slave's connection is broken and can be resumed.
    pub(super) away: Option<Away>,
    pub(super) this_round: ThisRound,
}

/// What the master knows of a slave in this round. Each round begins with a new one.
#[derive(Debug, Default)]
pub(super) struct ThisRound {
    /// How the slave holds the task, once it does.
    pub(super) held: Option<HeldSince>,
    /// The longest time that the slave took to answer a probe, or to say anything else after a probe.
    slowest_probe: Duration,
    /// The streams of the slave's task, once they are asked for.
    pub(super) outputs: Option<TaskOutputs>,
    /// How many times the slave's connection was resumed.
    reconnects: u32,
    /// The slave's row, once its outcome is known.
    pub(super) row: Option<Row>,
}

/// How a slave holds its task, and since when by the clock of the master.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldSince {
    pub(super) how: Held,
    pub(super) since: MonotonicInstant,
}

/// A slave whose connection has broken, and which has time to connect anew.
#[derive(Debug, Clone)]
pub(super) struct Away {
    since: AwakeInstant,
    until: AwakeInstant,
    why: Disconnect,
}

impl Member {
    pub(super) fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// Whether the slave's connection is broken, and may still be resumed.
    pub(super) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Why the slave's connection broke, if it is broken and may still be resumed.
    pub(super) fn away_because(&self) -> Option<&Disconnect> {
        self.away.as_ref().map(|away| &away.why)
    }

    /// Whether the slave has a connection of which no end is known.
    pub(super) fn is_connected(&self) -> bool {
        !self.is_away() && self.lost.is_none()
    }

    /// Begins another round.
    pub(super) fn begin_round(&mut self) {
        self.this_round = ThisRound::default();
        self.liveness.end_heartbeat();
    }

    /// Begins the run of the held task, whose slave has just received GO. What the slave did before the start does not count
    /// in the run's row.
    pub(super) fn begin_run(&mut self, now: Now) {
        self.this_round = ThisRound { held: self.this_round.held, ..ThisRound::default() };
        if self.token.is_some() {
            self.liveness.begin_heartbeat(now.awake);
        }
    }

    /// Takes note of a message from the slave.
    pub(super) fn heard(&mut self, heard: &Heard, actions: &mut Actions) {
        if self.liveness.is_late() {
            let after = self.liveness.silence(heard.now.awake);
            actions.tell(Notice::Recovered { slave: self.label.clone(), after });
        }
        self.liveness.heard(heard.now.awake);
        let is_here = self.lost.is_none() && self.has(Feature::Resume);
        if is_here && matches!(heard.message, Message::TaskEnded(_)) {
            self.send(Message::Ack, actions);
        }
        let Some(probed) = self.probed_at else { return };
        let took = probed.until(heard.now, heard.at);
        self.this_round.slowest_probe = self.this_round.slowest_probe.max(took);
        if let Message::Reply(_) = heard.message {
            self.probed_at = None;
            self.round_trip = self.round_trip.min(took);
        }
    }

    /// The longest time that the slave took lately to answer. A slave whose clock can be asked is asked often, so the time
    /// of its first answer, which it may have given while it booted, does not count.
    pub(super) fn slowest_answer(&self) -> Duration {
        if self.has(Feature::Start) { self.clock.slowest_answer() } else { self.round_trip }
    }

    /// The slave's row in a report, with the estimate of its clock at an instant of the master's.
    pub(super) fn row(&self, outcome: Outcome, at: MonotonicInstant) -> Row {
        Row {
            is_original: self.features == Features::NONE,
            held: self.this_round.held.map(|held| held.how),
            held_at: self.this_round.held.map(|held| held.since),
            clock: self.clock.estimate(at),
            answered_late: self.answered_late(),
            reconnects: self.this_round.reconnects,
            ..Row::new(self.rank, self.label.clone(), outcome)
        }
    }

    /// Ends the round: gives the slave's row, with the connections that were resumed since its outcome is known.
    pub(super) fn take_row(&mut self) -> Option<Row> {
        Some(Row { reconnects: self.this_round.reconnects, ..self.this_round.row.take()? })
    }

    /// Notes in the slave's row how late the slave answered, also since its outcome is known.
    pub(super) fn note_lateness(&mut self) {
        let answered_late = self.answered_late();
        if let Some(row) = &mut self.this_round.row {
            row.answered_late = answered_late;
        }
    }

    /// Takes note that the connection has ended. Returns whether the slave has time to resume it.
    pub(super) fn cut(&mut self, now: Now, why: &Disconnect, reconnect: Duration, actions: &mut Actions) -> bool {
        if self.is_away() {
            return true;
        }
        if self.token.is_none() || self.lost.is_some() || reconnect.is_zero() || !why.may_return() {
            return false;
        }
        self.away = Some(Away { since: now.awake, until: now.awake.plus(reconnect), why: why.clone() });
        self.probed_at = None;
        self.liveness.pause();
        self.this_round.outputs.iter_mut().for_each(TaskOutputs::cut);
        actions.close(self.peer);
        actions.tell(Notice::Away { slave: self.label.clone(), why: why.clone(), wait: reconnect });
        true
    }

    /// Takes the slave back on its new connection. The first message there tells the slave that it was recognised.
    pub(super) fn take_back(&mut self, comeback: Comeback, actions: &mut Actions) {
        let Comeback { now, peer, ours, .. } = comeback;
        let after = if let Some(away) = self.away.take() {
            now.awake.since(away.since)
        } else {
            // The slave has noticed before the master that the connection is dead.
            actions.close(self.peer);
            if self.liveness.is_late() { self.liveness.silence(now.awake) } else { Duration::ZERO }
        };
        self.peer = peer;
        self.this_round.reconnects = self.this_round.reconnects.saturating_add(1);
        self.probed_at = ours.is_some().then_some(now);
        self.liveness.resume(now.awake);
        if let Some(ours) = ours {
            actions.send(peer, Message::Probe(Some(ours.resuming(self.token))));
        }
        actions.tell(Notice::Returned { slave: self.label.clone(), after });
        self.this_round.outputs.iter_mut().for_each(|outputs| outputs.reconnect(peer));
    }

    /// Gives the slave up. Its task may have ended before.
    pub(super) fn leave(&mut self, why: &Loss, actions: &mut Actions) {
        if self.lost.is_some() {
            return;
        }
        self.liveness.pause();
        let was_away = self.away.take().is_some();
        match why {
            _ if was_away => {}
            Loss::Disconnected(_) => actions.close(self.peer),
            _ => actions.dismiss(self.peer, self.features, None),
        }
        self.lost = Some(why.clone());
    }

    /// Sends a message, if there is a connection.
    pub(super) fn send(&self, message: Message, actions: &mut Actions) {
        if !self.is_away() {
            actions.send(self.peer, message);
        }
    }

    /// Ends the connection after the last message of the session.
    pub(super) fn part(&self, actions: &mut Actions) {
        if !self.is_away() && self.lost.is_none() {
            actions.dismiss(self.peer, self.features, None);
        }
    }

    /// Probes the slave when that is due. Returns why the slave is lost, if it has not answered or not come back in time.
    pub(super) fn check(&mut self, now: Now, actions: &mut Actions) -> Option<Loss> {
        if let Some(away) = &self.away {
            return (now.awake >= away.until).then(|| Loss::Disconnected(away.why.clone()));
        }
        match self.liveness.check(now.awake) {
            Diagnosis::Fine => None,
            Diagnosis::ToReassure => {
                actions.send(self.peer, Message::Probe(None));
                None
            }
            Diagnosis::ToProbe => {
                actions.send(self.peer, Message::Probe(None));
                self.probed_at = Some(now);
                None
            }
            Diagnosis::Late(silence) => {
                actions.tell(Notice::Late { slave: self.label.clone(), silence });
                None
            }
            Diagnosis::Lost => Some(Loss::Silent(self.liveness.silence(now.awake))),
        }
    }

    /// Probes a slave whose silence does not matter, when its heartbeat is due.
    pub(super) fn reassure(&mut self, now: Now, actions: &mut Actions) {
        if self.liveness.is_heartbeat_due(now.awake) {
            actions.send(self.peer, Message::Probe(None));
        }
    }

    /// When to call [`Self::reassure`] next.
    pub(super) fn heartbeat_at(&self) -> Option<AwakeInstant> {
        self.liveness.heartbeat_at()
    }

    /// When to call [`Self::check`] next.
    pub(super) fn deadline(&self) -> Option<AwakeInstant> {
        self.away.as_ref().map(|away| away.until).into_iter().chain(self.liveness.deadline()).min()
    }

    /// The longest time that the slave took to answer a probe, if that was too long.
    fn answered_late(&self) -> Option<Duration> {
        Some(self.this_round.slowest_probe).filter(|slowest| *slowest > self.liveness.late_after())
    }
}
