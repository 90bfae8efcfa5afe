//! The best of several samples.

use std::time::Duration;

use super::ClockSample;
use synexec_proto::time::{ClockOffset, MonotonicInstant};

/// Number of samples that are kept.
const KEPT: usize = 8;

/// The estimate of another host's clock at an instant of this host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockEstimate {
    /// How far the other clock is ahead of this one.
    pub offset: ClockOffset,
    /// Largest distance between the true offset and this one, either way.
    pub uncertainty: Duration,
    /// Network delay of the sample from which the estimate comes.
    pub round_trip: Duration,
}

/// A clock did not run evenly: it stood still, for example because a hypervisor stopped its guest, or it was slewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSlip {
    /// Nanoseconds that the clock gained on this host's clock between two measurements; negative if it lost time.
    pub by: i64,
    /// Largest error of `by`, either way.
    pub uncertainty: Duration,
}

impl ClockEstimate {
    /// The slip of a clock since an earlier estimate for the same instant, if the two estimates contradict each other.
    pub fn slip_since(self, earlier: Self) -> Option<ClockSlip> {
        let uncertainty = self.uncertainty + earlier.uncertainty;
        let by = self.offset.as_nanos().saturating_sub(earlier.offset.as_nanos());
        (Duration::from_nanos(by.unsigned_abs()) > uncertainty).then_some(ClockSlip { by, uncertainty })
    }
}

/// Keeps the samples of one clock with the least uncertainty. As in NTP's clock filter (RFC 5905, section 10), the least
/// delay wins. The possible drift since an older sample was taken counts against that sample.
#[derive(Debug, Clone, Default)]
pub struct ClockFilter {
    samples: Vec<ClockSample>,
}

impl ClockFilter {
    /// Adds a sample. Samples that contradict it are removed: the clock has stood still since, for example because a
    /// hypervisor stopped its guest, or was slewed. If there are too many, the least certain sample is removed.
    pub fn add(&mut self, sample: ClockSample) {
        let fresh = estimate(&sample, sample.at);
        self.samples.retain(|kept| fresh.slip_since(estimate(kept, sample.at)).is_none());
        self.samples.push(sample);
        if self.samples.len() > KEPT {
            self.samples.sort_by_key(|kept| kept.uncertainty(sample.at));
            self.samples.truncate(KEPT);
        }
    }

    /// The estimate for an instant of this host's clock; none without a sample.
    pub fn estimate(&self, at: MonotonicInstant) -> Option<ClockEstimate> {
        self.samples.iter().min_by_key(|sample| sample.uncertainty(at)).map(|best| estimate(best, at))
    }
}

/// The estimate of one sample for an instant.
fn estimate(sample: &ClockSample, at: MonotonicInstant) -> ClockEstimate {
    ClockEstimate { offset: sample.offset, uncertainty: sample.uncertainty(at), round_trip: sample.delay }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Exchange;

    const SECOND: u64 = 1_000_000_000;

    /// Another host's clock, which drifts.
    #[derive(Debug, Clone, Copy)]
    struct SimulatedClock {
        ahead: i64,
        /// Drift in nanoseconds per second; positive if the clock is fast.
        drift: i64,
    }

    impl SimulatedClock {
        fn at(self, ours: u64) -> u64 {
            let drifted = i128::from(ours) * i128::from(self.drift) / i128::from(SECOND);
            u64::try_from(i128::from(ours) + i128::from(self.ahead) + drifted).unwrap()
        }

        /// An exchange that begins at an instant, with a delay for each way and a time for the answer.
        fn exchange(self, sent: u64, [there, taken, back]: [u64; 3]) -> Exchange {
            let stamp = MonotonicInstant::from_nanos;
            Exchange {
                sent: stamp(sent),
                received: stamp(self.at(sent + there)),
                replied: stamp(self.at(sent + there + taken)),
                arrived: stamp(sent + there + taken + back),
            }
        }

        /// Error of an estimate at an instant, in nanoseconds.
        fn error(self, estimate: ClockEstimate, at: u64) -> Duration {
            let truth = i128::from(self.at(at)) - i128::from(at);
            let error = (truth - i128::from(estimate.offset.as_nanos())).unsigned_abs();
            Duration::from_nanos(u64::try_from(error).unwrap())
        }
    }

    fn clock() -> impl Strategy<Value = SimulatedClock> {
        let day = 86_400 * i64::try_from(SECOND).unwrap();
        (-7 * day..7 * day, -100_000..=100_000_i64).prop_map(|(ahead, drift)| SimulatedClock { ahead, drift })
    }

    /// Delays from short and equal ones to long ones that are all on one way.
    fn delays() -> impl Strategy<Value = [u64; 3]> {
        let way = || prop_oneof![20_000..200_000_u64, 0..60 * SECOND / 1000, 0..3 * SECOND];
        let taken = prop_oneof![0..100_000_u64, 0..SECOND];
        (way(), taken, way()).prop_map(|(there, taken, back)| [there, taken, back])
    }

    proptest! {
        #[test]
        fn the_error_stays_within_the_uncertainty(
            clock in clock(),
            exchanges in prop::collection::vec((0..30 * SECOND, delays()), 1..20),
            age in 0..100 * SECOND,
        ) {
            let mut filter = ClockFilter::default();
            let mut now = 8 * 86_400 * SECOND;
            for (pause, delays) in exchanges {
                let exchange = clock.exchange(now + pause, delays);
                filter.add(exchange.sample().unwrap());
                now = exchange.arrived.as_nanos();
            }
            let at = now + age;
            let estimate = filter.estimate(MonotonicInstant::from_nanos(at)).unwrap();
            prop_assert!(clock.error(estimate, at) <= estimate.uncertainty, "{estimate:?}");
        }
    }

    #[test]
    fn the_least_delay_wins_and_a_sample_that_arrives_late_does_no_harm() {
        let clock = SimulatedClock { ahead: -3 * 3_600_000_000_000, drift: 30_000 };
        let mut filter = ClockFilter::default();
        let start = 8 * 86_400 * SECOND;
        let delays = [[300_000, 0, 300_000], [30_000, 5_000, 30_000], [40_000, 0, 900_000_000], [250_000, 0, 50_000]];
        for (number, delays) in (0..).zip(delays) {
            filter.add(clock.exchange(start + number * SECOND / 1000, delays).sample().unwrap());
        }
        let at = start + SECOND / 100;
        let estimate = filter.estimate(MonotonicInstant::from_nanos(at)).unwrap();
        assert!((59_000..61_000).contains(&estimate.round_trip.as_nanos()), "{estimate:?}");
        assert!(clock.error(estimate, at) < Duration::from_micros(1), "{estimate:?}");
    }

    #[test]
    fn a_fresh_sample_beats_an_old_one_when_the_clocks_may_have_run_apart() {
        let clock = SimulatedClock { ahead: 0, drift: 100_000 };
        let mut filter = ClockFilter::default();
        let start = 100 * SECOND;
        filter.add(clock.exchange(start, [30_000, 0, 30_000]).sample().unwrap());
        filter.add(clock.exchange(start + 10 * SECOND, [100_000, 0, 100_000]).sample().unwrap());
        let at = start + 10 * SECOND + SECOND / 100;
        let estimate = filter.estimate(MonotonicInstant::from_nanos(at)).unwrap();
        assert!(estimate.round_trip > Duration::from_micros(150), "{estimate:?}");
    }

    #[test]
    fn samples_from_before_a_clock_stood_still_count_no_more() {
        let clock = SimulatedClock { ahead: 5_000_000_000, drift: 0 };
        let stopped = SimulatedClock { ahead: 4_700_000_000, drift: 0 };
        let mut filter = ClockFilter::default();
        filter.add(clock.exchange(SECOND, [50_000, 0, 50_000]).sample().unwrap());
        let now = SECOND + SECOND / 3;
        filter.add(stopped.exchange(now, [100_000, 0, 100_000]).sample().unwrap());
        let estimate = filter.estimate(MonotonicInstant::from_nanos(now)).unwrap();
        assert!(stopped.error(estimate, now) <= estimate.uncertainty, "{estimate:?}");
    }

    #[test]
    fn few_samples_are_kept_and_the_best_stays() {
        let clock = SimulatedClock { ahead: 77, drift: 0 };
        let mut filter = ClockFilter::default();
        filter.add(clock.exchange(SECOND, [1_000, 0, 1_000]).sample().unwrap());
        for number in 0..1000 {
            filter.add(clock.exchange(SECOND + number, [50_000, 0, 10_000]).sample().unwrap());
        }
        assert_eq!(filter.samples.len(), KEPT);
        assert_eq!(filter.estimate(MonotonicInstant::from_nanos(SECOND)).unwrap().offset.as_nanos(), 77);
    }
}
