//! This host's clocks: `CLOCK_MONOTONIC` for measuring, `CLOCK_REALTIME` for people to read.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use synexec_proto::time::{MonotonicInstant, WallClockTime};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// The current instant on `CLOCK_MONOTONIC`.
pub fn monotonic_now() -> MonotonicInstant {
    MonotonicInstant::from_nanos(u64::try_from(nanos(ClockId::CLOCK_MONOTONIC)).unwrap_or(0))
}

/// The current time on `CLOCK_REALTIME`.
pub fn wall_clock_now() -> WallClockTime {
    WallClockTime::from_nanos(nanos(ClockId::CLOCK_REALTIME))
}

/// A clock's current time, in nanoseconds. Every clock that this crate asks for exists, so that `clock_gettime` never
/// fails.
pub(crate) fn nanos(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).unwrap_or(TimeSpec::new(0, 0));
    time.tv_sec().saturating_mul(NANOS_PER_SECOND).saturating_add(time.tv_nsec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let earlier = monotonic_now();
        assert!(monotonic_now() >= earlier && earlier.as_nanos() > 0);
    }

    #[test]
    fn the_wall_clock_agrees_with_std() {
        let std_now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let (before, ours, after) = (std_now(), wall_clock_now().as_nanos(), std_now());
        assert!((before..=after).contains(&u128::try_from(ours).unwrap()));
    }
}
