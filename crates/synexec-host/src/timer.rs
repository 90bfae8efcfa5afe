//! Waiting for an instant.

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};
use synexec_proto::time::MonotonicInstant;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Has this thread's timers end as close to their time as the kernel can; by default it may put them off by 50 µs.
/// Threads and processes that this thread starts from then on inherit it.
pub fn make_precise() {
    if let Err(error) = prctl::set_timerslack(1) {
        log::debug!("timers stay as they are: {error}");
    }
}

/// Sleeps until an instant of `CLOCK_MONOTONIC`; not at all when it has passed.
pub fn sleep_until(instant: MonotonicInstant) {
    let nanos = instant.as_nanos();
    let (Ok(seconds), Ok(rest)) = (i64::try_from(nanos / NANOS_PER_SECOND), i64::try_from(nanos % NANOS_PER_SECOND))
    else {
        return;
    };
    let time = TimeSpec::new(seconds, rest);
    let absolute = ClockNanosleepFlags::TIMER_ABSTIME;
    while clock_nanosleep(ClockId::CLOCK_MONOTONIC, absolute, &time) == Err(Errno::EINTR) {}
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::monotonic_now;

    #[test]
    fn no_sleep_ends_early_and_the_past_is_not_waited_for() {
        make_precise();
        let instant = monotonic_now().plus(Duration::from_millis(3));
        sleep_until(instant);
        assert!(monotonic_now() >= instant);
        sleep_until(MonotonicInstant::from_nanos(0));
    }
}
