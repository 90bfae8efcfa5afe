//! One exchange of timestamps, as in NTP (RFC 5905, section 8).

use std::time::Duration;

use synexec_proto::time::{ClockOffset, MonotonicInstant};

/// Largest drift of two clocks against each other, in nanoseconds per second. Quartz clocks are specified to a tenth of it.
const DRIFT_MAX: u32 = 100_000;

/// Largest error of rounding to nanoseconds, in nanoseconds.
const ROUNDING: Duration = Duration::from_nanos(2);

/// The four timestamps of a question and its answer: `t1` to `t4` of RFC 5905.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// When the question left, by this host's clock.
    pub sent: MonotonicInstant,
    /// When the question arrived, by the other host's clock.
    pub received: MonotonicInstant,
    /// When the answer left, by the other host's clock.
    pub replied: MonotonicInstant,
    /// When the answer arrived, by this host's clock.
    pub arrived: MonotonicInstant,
}

/// The measurement of another host's clock by one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSample {
    /// How far the other clock is ahead of this one.
    pub offset: ClockOffset,
    /// Time that question and answer spent on the network.
    pub delay: Duration,
    /// When the question left, by this host's clock.
    pub at: MonotonicInstant,
    /// Time from the question to the arrival of its answer.
    span: Duration,
}

impl Exchange {
    /// Offset `((t2 - t1) + (t3 - t4)) / 2` and delay `(t4 - t1) - (t3 - t2)`. None if a clock went back, or if the
    /// other host claims to have taken longer than this one has waited.
    pub fn sample(self) -> Option<ClockSample> {
        let nanos = |instant: MonotonicInstant| i128::from(instant.as_nanos());
        let [t1, t2, t3, t4] = [self.sent, self.received, self.replied, self.arrived].map(nanos);
        let (ours, theirs) = (t4 - t1, t3 - t2);
        let span = Duration::from_nanos(u64::try_from(ours).ok()?);
        let slack = i128::try_from((drift(span) + ROUNDING).as_nanos()).ok()?;
        if theirs < 0 || theirs > ours + slack {
            return None;
        }
        Some(ClockSample {
            offset: ClockOffset::from_nanos(i64::try_from(((t2 - t1) + (t3 - t4)).div_euclid(2)).ok()?),
            delay: Duration::from_nanos(u64::try_from((ours - theirs).max(0)).ok()?),
            at: self.arrived,
            span,
        })
    }
}

impl ClockSample {
    /// Largest distance between the true offset at an instant and this one: half the delay, since all of the delay may have
    /// been on one way, and the possible drift since the question was asked.
    pub fn uncertainty(&self, at: MonotonicInstant) -> Duration {
        let age = at.since(self.at).max(self.at.since(at));
        self.delay / 2 + drift(self.span.saturating_add(age)) + ROUNDING
    }
}

/// Largest drift of two clocks against each other in this time.
fn drift(time: Duration) -> Duration {
    let nanos = time.as_nanos().saturating_mul(u128::from(DRIFT_MAX)) / 1_000_000_000;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(stamps: [u64; 4]) -> Exchange {
        let [sent, received, replied, arrived] = stamps.map(MonotonicInstant::from_nanos);
        Exchange { sent, received, replied, arrived }
    }

    #[test]
    fn offset_and_delay_are_those_of_the_rfc() {
        let sample = exchange([1_000, 5_300, 5_400, 1_700]).sample().unwrap();
        assert_eq!((sample.offset.as_nanos(), sample.delay.as_nanos()), (4_000, 600));
        let behind = exchange([9_000, 300, 400, 9_700]).sample().unwrap();
        assert_eq!((behind.offset.as_nanos(), behind.delay.as_nanos()), (-9_000, 600));
    }

    #[test]
    fn an_impossible_exchange_is_no_sample() {
        assert_eq!(exchange([1_000, 5_000, 5_000, 900]).sample(), None, "our clock went back");
        assert_eq!(exchange([1_000, 5_000, 4_000, 2_000]).sample(), None, "theirs went back");
        assert_eq!(exchange([1_000, 5_000, 9_000, 2_000]).sample(), None, "they took longer than we waited");
        assert_eq!(exchange([0, u64::MAX, u64::MAX, 10]).sample(), None, "no offset is as large");
    }

    #[test]
    fn a_sample_becomes_less_sure_with_time() {
        let sample = exchange([0, 500, 500, 1_000]).sample().unwrap();
        assert_eq!(sample.uncertainty(MonotonicInstant::from_nanos(1_000)).as_nanos(), 502);
        assert_eq!(sample.uncertainty(MonotonicInstant::from_nanos(1_000_001_000)).as_nanos(), 100_502);
    }
}
