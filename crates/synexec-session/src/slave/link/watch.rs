//! When a slave suspects that its connection is dead, although nothing has reported a break: a firewall may have forgotten
//! the connection, or the slave's address may have changed.

use std::time::Duration;

use synexec_proto::time::MonotonicInstant;

/// Time for the master to acknowledge the end of a task.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Least heartbeat that a slave relies on, so that no master can keep a slave busy with suspicions.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);

/// A suspicion that comes this much too late says nothing about the master: the slave itself was stopped.
const SLACK: Duration = Duration::from_secs(1);

/// The messages that a slave can expect of its master, and the last of those that have come.
#[derive(Debug)]
pub(super) struct Watch {
    /// The longest silence that the master has promised; none if it has promised nothing.
    heartbeat: Option<Duration>,
    heard_at: MonotonicInstant,
    /// Suspicions before this instant are not due: the slave was stopped, and has to read first what has come.
    not_before: MonotonicInstant,
}

impl Watch {
    pub(super) fn new() -> Self {
        let zero = MonotonicInstant::from_nanos(0);
        Self { heartbeat: None, heard_at: zero, not_before: zero }
    }

    /// The master promises to keep no longer silence than this.
    pub(super) fn rely_on(&mut self, heartbeat: Option<Duration>) {
        self.heartbeat = heartbeat.map(|heartbeat| heartbeat.max(HEARTBEAT_MIN));
    }

    /// A message has come.
    pub(super) fn heard(&mut self, now: MonotonicInstant) {
        self.heard_at = now;
    }

    /// How long the master has been silent.
    pub(super) fn silence(&self, now: MonotonicInstant) -> Duration {
        now.since(self.heard_at)
    }

    /// When the silence is too long: half as long again as the master has promised, or the time to answer if the master
    /// has to acknowledge a report that was sent at this instant.
    pub(super) fn suspicious_at(&self, reported: Option<MonotonicInstant>) -> Option<MonotonicInstant> {
        let patience = self.heartbeat?.saturating_mul(3) / 2;
        let by_silence = self.heard_at.plus(patience);
        let by_report = reported.map(|sent| sent.max(self.heard_at).plus(ANSWER_TIME.min(patience)));
        Some(by_report.map_or(by_silence, |at| at.min(by_silence)).max(self.not_before))
    }

    /// Puts off a suspicion that was due at this instant, if the slave itself was stopped at that time. Returns whether the
    /// suspicion is put off.
    pub(super) fn put_off(&mut self, now: MonotonicInstant, due: MonotonicInstant) -> bool {
        let was_stopped = now.since(due) > SLACK;
        if was_stopped {
            self.not_before = now.plus(ANSWER_TIME);
        }
        was_stopped
    }

    /// Time from a failed attempt to reach the master to the next one. A master that is stopped for hours is not dialled
    /// thousands of times.
    pub(super) fn pause(&self, now: MonotonicInstant) -> Duration {
        ANSWER_TIME.max(self.silence(now) / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MonotonicInstant {
        MonotonicInstant::from_nanos(millis * 1_000_000)
    }

    fn watch(heartbeat: u64) -> Watch {
        let mut watch = Watch::new();
        watch.rely_on(Some(Duration::from_millis(heartbeat)));
        watch.heard(at(10_000));
        watch
    }

    #[test]
    fn a_silence_is_suspicious_only_if_the_master_has_promised_a_heartbeat() {
        assert_eq!(Watch::new().suspicious_at(Some(at(1))), None);
        assert_eq!(watch(5000).suspicious_at(None), Some(at(17_500)));
        assert_eq!(watch(0).suspicious_at(None), Some(at(10_150)));
        assert!(watch(u64::MAX / 1_000_000).suspicious_at(None).is_some());
    }

    #[test]
    fn a_report_has_to_be_acknowledged_soon_after_it_was_sent_or_a_message_has_come() {
        assert_eq!(watch(5000).suspicious_at(Some(at(12_000))), Some(at(14_000)));
        assert_eq!(watch(5000).suspicious_at(Some(at(3000))), Some(at(12_000)));
        assert_eq!(watch(1000).suspicious_at(Some(at(10_000))), Some(at(11_500)));
    }

    #[test]
    fn a_slave_that_was_stopped_reads_first_what_has_come() {
        let mut watch = watch(5000);
        assert!(!watch.put_off(at(18_000), at(17_500)) && watch.put_off(at(40_000), at(17_500)));
        assert_eq!(watch.suspicious_at(None), Some(at(42_000)));
        watch.heard(at(40_001));
        assert_eq!(watch.suspicious_at(None), Some(at(47_501)));
    }

    #[test]
    fn attempts_become_rare_in_a_long_silence() {
        assert_eq!(watch(5000).pause(at(18_000)), ANSWER_TIME);
        assert_eq!(watch(5000).pause(at(90_000)), Duration::from_secs(10));
    }
}
