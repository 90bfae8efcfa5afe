//! When a start is ordered for, and until when it can be called off.

use std::time::Duration;

use crate::time::MonotonicInstant;

/// Time that it takes a master to send one order and to hear its answer, when there are many.
const PER_SLAVE: Duration = Duration::from_micros(50);

/// What a volley of messages may take beyond that: threads that have to wake up.
const SLACK: Duration = Duration::from_millis(2);

/// Longest lead that repeated attempts lead to.
const REPEATED_MAX: Duration = Duration::from_secs(60);

/// Volleys that have to pass before the start: the orders and their answers, as much again for what is slower than it
/// was measured to be, and the last word.
const VOLLEYS: u32 = 3;

/// One start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    /// When the tasks start.
    pub(super) instant: MonotonicInstant,
    /// When all are told to go: as late as it can be, so that the start can be called off until then.
    pub(super) go_at: MonotonicInstant,
    /// After this, not all would hear it in time.
    pub(super) go_by: MonotonicInstant,
}

impl Schedule {
    /// A schedule for slaves of which the slowest took this long to answer. The lead is the user's, or follows from
    /// that; when the user's has turned out too short, both count. It doubles with each attempt before.
    pub(super) fn new(
        now: MonotonicInstant,
        slowest: Duration,
        slaves: usize,
        lead: Option<Duration>,
        attempts: u32,
    ) -> Self {
        let volley = slowest + PER_SLAVE.saturating_mul(u32::try_from(slaves).unwrap_or(u32::MAX)) + SLACK;
        let measured = volley * VOLLEYS;
        let first = lead.unwrap_or(measured);
        let repeated = first.max(measured).saturating_mul(1 << attempts.min(16)).min(REPEATED_MAX);
        let instant = now.plus(if attempts == 0 { first } else { first.max(repeated) });
        Self { instant, go_at: instant.minus(volley), go_by: instant.minus(volley / 2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: MonotonicInstant = MonotonicInstant::from_nanos(1_000_000_000);

    fn lead(schedule: Schedule) -> Duration {
        schedule.instant.since(NOW)
    }

    #[test]
    fn the_lead_follows_from_the_slowest_answer_and_the_number() {
        let near = Schedule::new(NOW, Duration::from_micros(100), 2, None, 0);
        assert!((6..8).contains(&lead(near).as_millis()), "{near:?}");
        let far = Schedule::new(NOW, Duration::from_millis(40), 2, None, 0);
        assert!((120..130).contains(&lead(far).as_millis()), "{far:?}");
        assert!(far.instant.since(far.go_at) >= Duration::from_millis(42), "{far:?}");
        let many = Schedule::new(NOW, Duration::from_micros(100), 1000, None, 0);
        assert!(lead(many) > lead(near) * 10, "{many:?}");
    }

    #[test]
    fn the_users_lead_counts_and_a_repeated_start_is_further_ahead() {
        let lead_of = |attempts| {
            lead(Schedule::new(NOW, Duration::from_millis(1), 2, Some(Duration::from_millis(500)), attempts))
        };
        assert_eq!([0, 1, 2].map(lead_of), [500, 1000, 2000].map(Duration::from_millis));
        assert_eq!(lead_of(60), REPEATED_MAX);
        let long = Duration::from_secs(600);
        assert_eq!(lead(Schedule::new(NOW, Duration::ZERO, 2, Some(long), 3)), long);
    }

    #[test]
    fn a_lead_that_is_too_short_leaves_no_time_to_go() {
        let hopeless = Schedule::new(NOW, Duration::from_millis(40), 2, Some(Duration::from_millis(1)), 0);
        assert!(hopeless.go_at < NOW && hopeless.go_by < NOW);
        let second = Schedule::new(NOW, Duration::from_millis(40), 2, Some(Duration::from_millis(1)), 1);
        assert!(second.go_at > NOW.plus(Duration::from_millis(40)), "{second:?}");
    }
}
