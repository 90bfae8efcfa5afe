//! The types of time: monotonic instants for decisions and measurements, wall-clock time for people.

use std::time::Duration;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_MICRO: i64 = 1_000;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// A duration in nanoseconds; `u64::MAX` if the duration is longer.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// An instant on one host's `CLOCK_MONOTONIC`, in nanoseconds since the origin of that host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicInstant(u64);

impl MonotonicInstant {
    /// The last instant that this type can hold.
    pub const LAST: Self = Self(u64::MAX);

    /// The instant this many nanoseconds after the host's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the host's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `later` after this one, at most [`Self::LAST`].
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(nanos(later)))
    }

    /// The instant `earlier` before this one, but not before the host's origin.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(earlier)))
    }

    /// Time from `earlier` to this instant; zero if `earlier` is later than this instant.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Nanoseconds from `other` to this instant; negative if `other` is later. A longer distance is clamped to the
    /// range of `i64`.
    pub fn nanos_after(self, other: Self) -> i64 {
        let distance = i64::try_from(self.0.abs_diff(other.0)).unwrap_or(i64::MAX);
        if self >= other { distance } else { -distance }
    }
}

/// The offset of another host's monotonic clock from this host's, in nanoseconds; positive if the other clock is ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClockOffset(i64);

impl ClockOffset {
    /// An offset of this many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The offset in nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The reading of the other clock at `instant` of this host's clock, clamped to the range of instants.
    pub fn to_theirs(self, instant: MonotonicInstant) -> MonotonicInstant {
        MonotonicInstant(instant.0.saturating_add_signed(self.0))
    }

    /// The reading of this host's clock at `instant` of the other clock, clamped to the range of instants.
    pub fn to_ours(self, instant: MonotonicInstant) -> MonotonicInstant {
        let distance = self.0.unsigned_abs();
        let ours = if self.0 < 0 { instant.0.saturating_add(distance) } else { instant.0.saturating_sub(distance) };
        MonotonicInstant(ours)
    }
}

/// Wall-clock time, in nanoseconds since 1970-01-01 00:00:00 UTC. A wall clock can step, so this time is only for
/// people to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallClockTime(i64);

impl WallClockTime {
    /// The time this many nanoseconds after the start of 1970, UTC.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start of 1970, UTC.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The time of a pair of seconds and microseconds, as protocol version 1 sends it. A pair out of range gives the
    /// nearest possible time.
    pub fn from_seconds_and_micros(seconds: i64, micros: i64) -> Self {
        let micros = seconds.saturating_mul(MICROS_PER_SECOND).saturating_add(micros);
        Self(micros.clamp(i64::MIN / NANOS_PER_MICRO, i64::MAX / NANOS_PER_MICRO) * NANOS_PER_MICRO)
    }

    /// Whole seconds and the remaining microseconds, as protocol version 1 sends them.
    pub fn seconds_and_micros(self) -> (i64, i64) {
        (self.0.div_euclid(NANOS_PER_SECOND), self.0.rem_euclid(NANOS_PER_SECOND) / NANOS_PER_MICRO)
    }

    /// The time `earlier` before this one.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// Time from `earlier` to this time; zero if the clock was set back in between.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn instants_neither_wrap_nor_go_below_zero() {
        let early = MonotonicInstant::from_nanos(5);
        let late = early.plus(Duration::from_nanos(7));
        assert_eq!(late.since(early), Duration::from_nanos(7));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.minus(Duration::from_nanos(7)), early);
        assert_eq!((late.nanos_after(early), early.nanos_after(late)), (7, -7));
        assert_eq!(MonotonicInstant::LAST.nanos_after(early), i64::MAX);
        assert_eq!(late.plus(Duration::MAX).as_nanos(), u64::MAX);
        assert_eq!(late.minus(Duration::MAX).as_nanos(), 0);
    }

    #[test]
    fn an_offset_leads_to_the_other_clock_and_back() {
        let ours = MonotonicInstant::from_nanos(1_000);
        for nanos in [0, 7, -7] {
            let offset = ClockOffset::from_nanos(nanos);
            assert_eq!(offset.to_ours(offset.to_theirs(ours)), ours);
        }
        assert_eq!(ClockOffset::from_nanos(-900).to_theirs(ours).as_nanos(), 100);
        assert_eq!(ClockOffset::from_nanos(i64::MIN).to_theirs(ours).as_nanos(), 0);
        assert_eq!(ClockOffset::from_nanos(i64::MIN).to_ours(MonotonicInstant::LAST), MonotonicInstant::LAST);
    }

    proptest! {
        #[test]
        fn version_one_times_survive_the_round_trip(seconds in -9_000_000_000_i64..9_000_000_000, micros in 0..1_000_000_i64) {
            let time = WallClockTime::from_seconds_and_micros(seconds, micros);
            prop_assert_eq!(time.seconds_and_micros(), (seconds, micros));
        }

        #[test]
        fn any_pair_of_numbers_gives_a_time_that_survives_the_round_trip(seconds: i64, micros: i64) {
            let time = WallClockTime::from_seconds_and_micros(seconds, micros);
            let (seconds, micros) = time.seconds_and_micros();
            prop_assert_eq!(WallClockTime::from_seconds_and_micros(seconds, micros), time);
        }
    }
}
