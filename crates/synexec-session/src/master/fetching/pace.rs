//! How fast a slave delivers its output, compared with the least rate.

use std::time::Duration;

use super::super::awake::AwakeInstant;
use synexec_proto::wire::SLOWEST_BYTES_PER_SECOND;

/// How far a slave may fall behind the least rate before it makes room for another slave.
const TURN: Duration = Duration::from_secs(2);

/// How far a slave may fall behind the least rate, in addition to the times in which it may be silent or away.
const MARGIN: Duration = Duration::from_secs(10);

/// How far a slave is behind the least rate. It falls behind while it is awaited, and each byte that comes makes up for the
/// time that the byte takes at the least rate. A slave that is not awaited, because another slave has its turn or because the
/// bytes are being stored, does not fall behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    most_behind: Duration,
    behind: Duration,
    /// Time for which the slave was awaited.
    spent: Duration,
    /// The instant until which `behind` and `spent` are counted; none while the slave is not awaited.
    counted: Option<AwakeInstant>,
}

impl Pace {
    /// The pace of a slave that was not awaited yet. It may be silent for `lost_after`, and away for `reconnect`.
    pub(super) fn new(lost_after: Duration, reconnect: Duration) -> Self {
        let most_behind = lost_after.saturating_add(reconnect).saturating_add(MARGIN);
        Self { most_behind, behind: Duration::ZERO, spent: Duration::ZERO, counted: None }
    }

    /// How far a slave may fall behind before its output is given up.
    pub(super) fn most_behind(self) -> Duration {
        self.most_behind
    }

    /// The slave is awaited from now on.
    pub(super) fn begin(&mut self, now: AwakeInstant) {
        self.counted.get_or_insert(now);
    }

    /// The slave is not awaited any more.
    pub(super) fn pause(&mut self, now: AwakeInstant) {
        self.count(now);
        self.counted = None;
    }

    /// So many bytes have come.
    pub(super) fn came(&mut self, now: AwakeInstant, bytes: u64) {
        self.count(now);
        let worth = bytes.saturating_mul(1_000_000_000) / u64::from(SLOWEST_BYTES_PER_SECOND);
        self.behind = self.behind.saturating_sub(Duration::from_nanos(worth));
    }

    /// Time for which the slave was awaited until its last byte, or until its wait was over.
    pub(super) fn spent(self) -> Duration {
        self.spent
    }

    /// When the slave makes room for another one, if nothing more comes.
    pub(super) fn makes_room_at(self) -> Option<AwakeInstant> {
        Some(self.counted?.plus(TURN.saturating_sub(self.behind)))
    }

    /// When the output of the slave is given up, if nothing more comes.
    pub(super) fn ends_at(self) -> Option<AwakeInstant> {
        Some(self.counted?.plus(self.most_behind.saturating_sub(self.behind)))
    }

    fn count(&mut self, now: AwakeInstant) {
        if let Some(counted) = &mut self.counted {
            let passed = now.since(*counted);
            self.behind = self.behind.saturating_add(passed);
            self.spent = self.spent.saturating_add(passed);
            *counted = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> AwakeInstant {
        AwakeInstant::from_millis(seconds * 1000)
    }

    fn awaited() -> Pace {
        let mut pace = Pace::new(Duration::from_secs(30), Duration::from_secs(5));
        pace.begin(at(100));
        pace
    }

    #[test]
    fn a_slave_that_sends_nothing_makes_room_and_is_given_up() {
        assert_eq!((awaited().makes_room_at(), awaited().ends_at()), (Some(at(102)), Some(at(145))));
    }

    #[test]
    fn bytes_make_up_for_lost_time_and_no_more() {
        let mut pace = awaited();
        pace.came(at(120), 8 * 4096);
        assert_eq!((pace.behind, pace.ends_at()), (Duration::from_secs(12), Some(at(153))));
        pace.came(at(120), 1 << 40);
        assert_eq!((pace.makes_room_at(), pace.ends_at()), (Some(at(122)), Some(at(165))));
    }

    #[test]
    fn a_slave_falls_behind_only_while_it_is_awaited() {
        let mut pace = awaited();
        pace.pause(at(101));
        assert_eq!((pace.ends_at(), pace.spent()), (None, Duration::from_secs(1)));
        pace.begin(at(500));
        assert_eq!((pace.makes_room_at(), pace.ends_at()), (Some(at(501)), Some(at(544))));
    }
}
