//! Whether a peer is still there: when to ask, and when to stop believing.

use std::time::Duration;

use super::awake::AwakeInstant;

/// Longest silence before a peer is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Longest time in which a peer that tells things by itself hears nothing of us: it stops telling after a while.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// Time for an answer, after which a peer is late, where it has that long.
const LATE: Duration = Duration::from_secs(2);

/// What to do about a peer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// Nothing.
    Fine,
    /// Ask it.
    Probe,
    /// It takes its time to answer: since this long it has said nothing.
    Late(Duration),
    /// It has not answered in time.
    Lost,
}

/// Watches one peer. Every message from it counts as an answer.
#[derive(Debug, Clone)]
pub(super) struct Liveness {
    lost_after: Duration,
    last_heard: AwakeInstant,
    probed_at: Option<AwakeInstant>,
    /// When it was probed last, or the watch began.
    last_probe: AwakeInstant,
    /// Whether it was said that it takes its time.
    is_late: bool,
    paused: bool,
}

impl Liveness {
    /// Watches a peer that was heard now, and is lost when it is silent for `lost_after`.
    pub(super) fn new(lost_after: Duration, now: AwakeInstant) -> Self {
        Self { lost_after, last_heard: now, probed_at: None, last_probe: now, is_late: false, paused: false }
    }

    /// The peer said something.
    pub(super) fn heard(&mut self, now: AwakeInstant) {
        self.last_heard = now;
        self.probed_at = None;
        self.is_late = false;
    }

    /// Whether the peer was asked long ago and has not answered yet.
    pub(super) fn is_late(&self) -> bool {
        self.is_late
    }

    /// How long the peer has been silent.
    pub(super) fn silence(&self, now: AwakeInstant) -> Duration {
        now.since(self.last_heard)
    }

    /// Stops the watch, while it is we who keep the connection busy.
    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    /// Starts the watch anew.
    pub(super) fn resume(&mut self, now: AwakeInstant) {
        self.paused = false;
        self.last_probe = now;
        self.heard(now);
    }

    /// When to check next.
    pub(super) fn deadline(&self) -> Option<AwakeInstant> {
        (!self.paused).then(|| match self.probed_at {
            None => self.last_heard.plus(self.interval()).min(self.last_probe.plus(SIGN_OF_LIFE)),
            Some(probed_at) if self.is_late => probed_at.plus(self.time_to_answer()),
            Some(probed_at) => probed_at.plus(self.late_after()),
        })
    }

    /// What is due now. [`Pulse::Probe`] counts as asked.
    pub(super) fn check(&mut self, now: AwakeInstant) -> Pulse {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Pulse::Fine;
        }
        match self.probed_at {
            None => {
                (self.probed_at, self.last_probe) = (Some(now), now);
                Pulse::Probe
            }
            Some(_) if self.is_late => Pulse::Lost,
            Some(_) => {
                self.is_late = true;
                Pulse::Late(self.silence(now))
            }
        }
    }

    /// Time for an answer, after which this peer is late.
    pub(super) fn late_after(&self) -> Duration {
        LATE.min(self.time_to_answer() / 2)
    }

    fn time_to_answer(&self) -> Duration {
        self.lost_after.saturating_sub(self.interval())
    }

    fn interval(&self) -> Duration {
        HEARTBEAT.min(self.lost_after / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> AwakeInstant {
        AwakeInstant::from_millis(seconds * 1000)
    }

    fn watch() -> Liveness {
        Liveness::new(Duration::from_secs(30), at(100))
    }

    #[test]
    fn a_silent_peer_is_asked_once_and_lost_in_time() {
        let mut peer = watch();
        assert_eq!(peer.check(at(104)), Pulse::Fine);
        assert_eq!(peer.check(at(105)), Pulse::Probe);
        assert_eq!(peer.deadline(), Some(at(107)));
        assert_eq!(peer.check(at(107)), Pulse::Late(Duration::from_secs(7)));
        assert_eq!(peer.check(at(129)), Pulse::Fine);
        assert_eq!(peer.deadline(), Some(at(130)));
        assert_eq!(peer.check(at(130)), Pulse::Lost);
    }

    #[test]
    fn an_answer_starts_the_watch_anew() {
        let mut peer = watch();
        assert_eq!(peer.check(at(105)), Pulse::Probe);
        peer.heard(at(129));
        assert_eq!(peer.check(at(130)), Pulse::Fine);
        assert_eq!(peer.deadline(), Some(at(134)));
    }

    #[test]
    fn a_peer_that_tells_things_by_itself_is_asked_once_a_minute() {
        let mut peer = watch();
        let mut asked = Vec::new();
        for second in 100..300 {
            peer.heard(at(second));
            if peer.check(at(second)) == Pulse::Probe {
                asked.push(second);
            }
        }
        assert_eq!(asked, [160, 220, 280]);
    }

    #[test]
    fn a_paused_watch_has_no_deadline() {
        let mut peer = watch();
        peer.pause();
        assert_eq!((peer.deadline(), peer.check(at(900))), (None, Pulse::Fine));
        peer.resume(at(900));
        assert_eq!(peer.deadline(), Some(at(905)));
    }
}
