//! Whether a peer is still there: when to probe it, and when to give it up.

use std::time::Duration;

use super::awake::AwakeInstant;

/// Longest silence of a peer before it is probed.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Longest time without a probe to a peer that reports progress: the peer stops reporting when it hears nothing.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// Time after which a peer that has not answered a probe is late, unless half of its time to answer is shorter.
const LATE: Duration = Duration::from_secs(2);

/// The state of a peer, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Diagnosis {
    /// Nothing is to be done.
    Fine,
    /// The peer has been silent for a while and is to be probed now.
    ToProbe,
    /// The peer takes long to answer the probe. It has been silent for this long.
    Late(Duration),
    /// The peer has not answered in time.
    Lost,
}

/// Watches one peer. Every message from it counts as an answer.
#[derive(Debug, Clone)]
pub(super) struct Liveness {
    lost_after: Duration,
    last_heard: AwakeInstant,
    probed_at: Option<AwakeInstant>,
    /// When the peer was probed last, or the watch began.
    last_probe: AwakeInstant,
    /// Whether the user was told that the peer is late.
    is_late: bool,
    paused: bool,
}

impl Liveness {
    /// Watches a peer that was heard now. The peer is lost when it is silent for `lost_after`.
    pub(super) fn new(lost_after: Duration, now: AwakeInstant) -> Self {
        Self { lost_after, last_heard: now, probed_at: None, last_probe: now, is_late: false, paused: false }
    }

    /// Takes note of a message from the peer.
    pub(super) fn heard(&mut self, now: AwakeInstant) {
        self.last_heard = now;
        self.probed_at = None;
        self.is_late = false;
    }

    /// Whether the user was told that the peer is late, and it has still not answered.
    pub(super) fn is_late(&self) -> bool {
        self.is_late
    }

    /// How long the peer has been silent.
    pub(super) fn silence(&self, now: AwakeInstant) -> Duration {
        now.since(self.last_heard)
    }

    /// Stops the watch, while the master itself keeps the connection busy.
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

    /// The state of the peer now. After [`Diagnosis::ToProbe`] the peer counts as probed.
    pub(super) fn check(&mut self, now: AwakeInstant) -> Diagnosis {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Diagnosis::Fine;
        }
        match self.probed_at {
            None => {
                (self.probed_at, self.last_probe) = (Some(now), now);
                Diagnosis::ToProbe
            }
            Some(_) if self.is_late => Diagnosis::Lost,
            Some(_) => {
                self.is_late = true;
                Diagnosis::Late(self.silence(now))
            }
        }
    }

    /// Time after which this peer is late if it has not answered a probe.
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
        assert_eq!(peer.check(at(104)), Diagnosis::Fine);
        assert_eq!(peer.check(at(105)), Diagnosis::ToProbe);
        assert_eq!(peer.deadline(), Some(at(107)));
        assert_eq!(peer.check(at(107)), Diagnosis::Late(Duration::from_secs(7)));
        assert_eq!(peer.check(at(129)), Diagnosis::Fine);
        assert_eq!(peer.deadline(), Some(at(130)));
        assert_eq!(peer.check(at(130)), Diagnosis::Lost);
    }

    #[test]
    fn an_answer_starts_the_watch_anew() {
        let mut peer = watch();
        assert_eq!(peer.check(at(105)), Diagnosis::ToProbe);
        peer.heard(at(129));
        assert_eq!(peer.check(at(130)), Diagnosis::Fine);
        assert_eq!(peer.deadline(), Some(at(134)));
    }

    #[test]
    fn a_peer_that_tells_things_by_itself_is_asked_once_a_minute() {
        let mut peer = watch();
        let mut asked = Vec::new();
        for second in 100..300 {
            peer.heard(at(second));
            if peer.check(at(second)) == Diagnosis::ToProbe {
                asked.push(second);
            }
        }
        assert_eq!(asked, [160, 220, 280]);
    }

    #[test]
    fn a_paused_watch_has_no_deadline() {
        let mut peer = watch();
        peer.pause();
        assert_eq!((peer.deadline(), peer.check(at(900))), (None, Diagnosis::Fine));
        peer.resume(at(900));
        assert_eq!(peer.deadline(), Some(at(905)));
    }
}
