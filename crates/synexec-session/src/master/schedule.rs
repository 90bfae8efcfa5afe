//! The instant of a start, and the time until which the start can be called off.

use std::time::Duration;

use synexec_proto::time::MonotonicInstant;

/// Time that one of many orders and its answer take in the worst case, in which all slaves share their cores with each
/// other and with the master.
const PER_SLAVE: Duration = Duration::from_micros(100);

/// Time that a volley of messages takes beyond that, because threads have to wake up.
const SLACK: Duration = Duration::from_millis(4);

/// Longest lead of repeated attempts.
const REPEATED_MAX: Duration = Duration::from_secs(60);

/// Rest of a long lead at which the clocks are measured again, beyond the time for the measurement and the volleys. Clocks
/// drift by some microseconds per second.
const REFINED: Duration = Duration::from_millis(200);

/// Time that the measurement of one of many clocks takes.
const MEASURING_PER_SLAVE: Duration = Duration::from_micros(300);

/// Number of volleys before the start: one for the orders and their answers, one for the last word.
const VOLLEYS: u32 = 2;

/// The schedule of one start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    /// When the tasks start.
    pub(super) instant: MonotonicInstant,
    /// When the master says the last word. This is as late as possible, since the start can be called off until then.
    pub(super) go_at: MonotonicInstant,
    /// When it is too late for the last word: not all slaves would hear it in time.
    pub(super) go_by: MonotonicInstant,
    /// When the clocks are measured once more for the same instant, if the instant is far ahead.
    pub(super) refine_at: Option<MonotonicInstant>,
}

impl Schedule {
    /// A schedule for this many slaves, the slowest of which took this long to answer. The lead of the first attempt is the
    /// user's; without it, the lead follows from the slowest answer. The lead of each further attempt follows from the slowest
    /// answer, and doubles.
    pub(super) fn new(
        now: MonotonicInstant,
        slowest: Duration,
        slaves: usize,
        lead: Option<Duration>,
        attempts: u32,
    ) -> Self {
        let measured = volley(slowest, slaves) * VOLLEYS;
        let repeated = measured.saturating_mul(1 << attempts.min(16)).min(REPEATED_MAX);
        let ahead = if attempts == 0 { lead.unwrap_or(measured) } else { repeated };
        let instant = now.plus(ahead);
        let refining = measured + slowest + MEASURING_PER_SLAVE.saturating_mul(count(slaves)) + REFINED;
        let refine_at = (ahead > refining * 2).then(|| instant.minus(refining));
        Self { refine_at, ..Self::at(instant, slowest, slaves) }
    }

    /// The schedule of a start at this instant.
    pub(super) fn at(instant: MonotonicInstant, slowest: Duration, slaves: usize) -> Self {
        let volley = volley(slowest, slaves);
        Self { instant, go_at: instant.minus(volley), go_by: instant.minus(volley / 2), refine_at: None }
    }
}

/// Time that messages to all slaves and their answers take, if the slowest slave answers in this time.
fn volley(slowest: Duration, slaves: usize) -> Duration {
    slowest + PER_SLAVE.saturating_mul(count(slaves)) + SLACK
}

fn count(slaves: usize) -> u32 {
    u32::try_from(slaves).unwrap_or(u32::MAX)
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
        assert!((8..10).contains(&lead(near).as_millis()), "{near:?}");
        let far = Schedule::new(NOW, Duration::from_millis(40), 2, None, 0);
        assert!((80..90).contains(&lead(far).as_millis()), "{far:?}");
        assert!(far.instant.since(far.go_at) >= Duration::from_millis(42), "{far:?}");
        let many = Schedule::new(NOW, Duration::from_micros(100), 1000, None, 0);
        assert!(lead(many) > lead(near) * 10, "{many:?}");
    }

    #[test]
    fn the_users_lead_counts_once_and_then_what_the_answers_ask_for_and_more_each_time() {
        let lead_of = |attempts| {
            lead(Schedule::new(NOW, Duration::from_millis(1), 2, Some(Duration::from_millis(500)), attempts))
        };
        assert_eq!(lead_of(0), Duration::from_millis(500));
        let measured = |attempts| lead(Schedule::new(NOW, Duration::from_millis(1), 2, None, attempts));
        assert_eq!((measured(2), lead_of(2)), (measured(0) * 4, measured(0) * 4));
        assert_eq!((measured(60), lead_of(60)), (REPEATED_MAX, REPEATED_MAX));
        let long = Duration::from_secs(600);
        assert_eq!(lead(Schedule::new(NOW, Duration::ZERO, 2, Some(long), 0)), long);
    }

    #[test]
    fn for_a_start_far_ahead_clocks_are_measured_again_shortly_before() {
        let refined = |seconds| {
            let schedule = Schedule::new(NOW, Duration::ZERO, 2, Some(Duration::from_secs(seconds)), 0);
            schedule.refine_at.map(|at| schedule.instant.since(at))
        };
        assert_eq!(Schedule::new(NOW, Duration::ZERO, 2, None, 0).refine_at, None);
        assert!(refined(60).is_some_and(|left| left > REFINED && left < REFINED * 2), "{:?}", refined(60));
    }

    #[test]
    fn a_lead_that_is_too_short_leaves_no_time_to_go() {
        let hopeless = Schedule::new(NOW, Duration::from_millis(40), 2, Some(Duration::from_millis(1)), 0);
        assert!(hopeless.go_at < NOW && hopeless.go_by < NOW);
        let second = Schedule::new(NOW, Duration::from_millis(40), 2, Some(Duration::from_millis(1)), 1);
        assert!(second.go_at > NOW.plus(Duration::from_millis(40)), "{second:?}");
    }
}
