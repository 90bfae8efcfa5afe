//! The number of messages that a peer may send unasked.

use std::time::{Duration, Instant};

/// Messages that a slave may send at once.
const BURST: u32 = 256;

/// Messages that a master may send at once.
const MASTERS_BURST: u32 = 4096;

/// Interval at which a slave may send one message on average.
const INTERVAL: Duration = Duration::from_millis(20);

/// Interval at which a master may send one message on average: a master sends several in each round, and rounds may be
/// short.
const MASTERS_INTERVAL: Duration = Duration::from_millis(1);

/// Counts the unasked messages of one peer.
#[derive(Debug)]
pub(super) struct Quota {
    /// Messages that may still come at once.
    left: u32,
    burst: u32,
    interval: Duration,
    /// Instant up to which time was turned into messages.
    counted_until: Instant,
}

impl Quota {
    pub(super) fn of_slave(now: Instant) -> Self {
        Self { left: BURST, burst: BURST, interval: INTERVAL, counted_until: now }
    }

    pub(super) fn of_master(now: Instant) -> Self {
        Self { left: MASTERS_BURST, burst: MASTERS_BURST, interval: MASTERS_INTERVAL, counted_until: now }
    }

    /// Counts a message. Returns whether the quota allows the message.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.counted_until);
        let messages = u32::try_from(passed.as_millis() / self.interval.as_millis()).unwrap_or(u32::MAX);
        self.counted_until += self.interval.checked_mul(messages).unwrap_or(passed);
        self.left = self.left.saturating_add(messages).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_message_for_each_interval() {
        let start = Instant::now();
        let mut quota = Quota::of_slave(start);
        assert!((0..BURST).all(|_| quota.take(start)));
        assert!(!quota.take(start));
        let later = start + INTERVAL * 3;
        assert!((0..3).all(|_| quota.take(later)) && !quota.take(later));
    }

    #[test]
    fn a_pause_makes_up_for_a_burst_at_most_and_a_steady_peer_is_never_refused() {
        let mut now = Instant::now();
        let mut quota = Quota::of_slave(now);
        for _ in 0..10_000 {
            now += INTERVAL;
            assert!(quota.take(now));
        }
        now += Duration::from_secs(1_000_000);
        assert!((0..BURST).all(|_| quota.take(now)) && !quota.take(now));
    }

    #[test]
    fn a_master_may_send_more() {
        let start = Instant::now();
        let mut quota = Quota::of_master(start);
        assert!((0..MASTERS_BURST).all(|_| quota.take(start)) && !quota.take(start));
        assert!(quota.take(start + MASTERS_INTERVAL) && !quota.take(start + MASTERS_INTERVAL));
    }
}
