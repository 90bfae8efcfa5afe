//! Whether a peer is still there: when to probe it, and when to give it up. The probes also tell the peer that the master is
//! still there.

use std::time::Duration;

use super::awake::AwakeInstant;

/// Longest silence of a peer before it is probed.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Longest time without a probe to a peer that reports progress, and to which the master has promised no heartbeat: the
/// peer stops reporting when it hears nothing.
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
    /// The peer was heard lately, and is to be probed now because it has to hear from the master.
    ToReassure,
    /// The peer takes long to answer the probe. It has been silent for this long.
    Late(Duration),
    /// The peer has not answered in time.
    Lost,
}

/// The longest time for which a master sends its slaves nothing while their tasks run or their outputs are fetched.
pub(super) fn heartbeat(lost_after: Duration) -> Duration {
    HEARTBEAT.min(lost_after / 3)
}

/// Watches one peer. Every message from it counts as an answer.
#[derive(Debug, Clone)]
pub(super) struct Liveness {
    lost_after: Duration,
    last_heard: AwakeInstant,
    probed_at: Option<AwakeInstant>,
    /// When the peer was probed last, or the watch or the heartbeat began.
    last_probe: AwakeInstant,
    /// Whether the peer relies on a heartbeat.
    has_heartbeat: bool,
    /// Whether the user was told that the peer is late.
    is_late: bool,
    paused: bool,
}

impl Liveness {
    /// Watches a peer that was heard now. The peer is lost when it is silent for `lost_after`.
    pub(super) fn new(lost_after: Duration, now: AwakeInstant) -> Self {
        Self {
            lost_after,
            last_heard: now,
            probed_at: None,
            last_probe: now,
            has_heartbeat: false,
            is_late: false,
            paused: false,
        }
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

    /// The peer was sent something now, and relies on a heartbeat from now on.
    pub(super) fn begin_heartbeat(&mut self, now: AwakeInstant) {
        (self.has_heartbeat, self.last_probe) = (true, now);
    }

    /// The peer does not rely on a heartbeat any more.
    pub(super) fn end_heartbeat(&mut self) {
        self.has_heartbeat = false;
    }

    /// When to probe a peer whose silence does not matter, because the peer relies on a heartbeat.
    pub(super) fn heartbeat_at(&self) -> Option<AwakeInstant> {
        (self.has_heartbeat && !self.paused).then(|| self.sign_of_life_at())
    }

    /// Whether to probe a peer now whose silence does not matter. The peer then counts as reassured.
    pub(super) fn is_heartbeat_due(&mut self, now: AwakeInstant) -> bool {
        let is_due = self.heartbeat_at().is_some_and(|at| now >= at);
        if is_due {
            self.last_probe = now;
        }
        is_due
    }

    /// When to check next.
    pub(super) fn deadline(&self) -> Option<AwakeInstant> {
        (!self.paused).then(|| match self.probed_at {
            None => self.last_heard.plus(self.interval()).min(self.sign_of_life_at()),
            Some(probed_at) if self.is_late => {
                probed_at.plus(self.time_to_answer()).max(self.last_heard.plus(self.lost_after))
            }
            Some(probed_at) => probed_at.plus(self.late_after()),
        })
    }

    /// The state of the peer now. After [`Diagnosis::ToProbe`] the peer counts as probed, and after
    /// [`Diagnosis::ToReassure`] as reassured.
    pub(super) fn check(&mut self, now: AwakeInstant) -> Diagnosis {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Diagnosis::Fine;
        }
        match self.probed_at {
            None => {
                self.last_probe = now;
                if self.silence(now) < self.interval() / 2 {
                    return Diagnosis::ToReassure;
                }
                self.probed_at = Some(now);
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
        heartbeat(self.lost_after)
    }

    fn sign_of_life_at(&self) -> AwakeInstant {
        self.last_probe.plus(if self.has_heartbeat { self.interval() } else { SIGN_OF_LIFE })
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
    fn a_peer_that_sends_messages_by_itself_is_probed_once_a_minute_or_with_each_heartbeat() {
        let probed = |mut peer: Liveness, until| {
            let mut probed = Vec::new();
            for second in 100..until {
                peer.heard(at(second));
                if peer.check(at(second)) == Diagnosis::ToReassure {
                    probed.push(second);
                }
            }
            probed
        };
        let mut peer = watch();
        assert_eq!(probed(peer.clone(), 300), [160, 220, 280]);
        peer.begin_heartbeat(at(103));
        assert_eq!(probed(peer.clone(), 120), [108, 113, 118]);
        peer.end_heartbeat();
        assert_eq!(probed(peer, 120), []);
    }

    #[test]
    fn a_silent_peer_that_relies_on_the_heartbeat_is_asked_and_lost_in_time() {
        let mut peer = watch();
        peer.begin_heartbeat(at(99));
        assert_eq!(peer.check(at(104)), Diagnosis::ToProbe);
        assert_eq!(peer.check(at(106)), Diagnosis::Late(Duration::from_secs(6)));
        assert_eq!((peer.check(at(129)), peer.check(at(130))), (Diagnosis::Fine, Diagnosis::Lost));
    }

    #[test]
    fn a_peer_whose_silence_does_not_matter_is_probed_only_for_its_heartbeat() {
        let mut peer = watch();
        assert!(peer.heartbeat_at().is_none() && !peer.is_heartbeat_due(at(200)));
        peer.begin_heartbeat(at(100));
        assert!(!peer.is_heartbeat_due(at(104)) && peer.is_heartbeat_due(at(105)) && !peer.is_heartbeat_due(at(105)));
        assert_eq!(peer.heartbeat_at(), Some(at(110)));
        peer.pause();
        assert_eq!(peer.heartbeat_at(), None);
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
