//! Waiting for an instant, precisely.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};
use synexec_proto::time::MonotonicInstant;

use crate::clock::monotonic_now;

/// The last part of a wait, which is spent spinning.
const AWAKE: Duration = Duration::from_micros(400);

/// Makes the timers of this thread as precise as the kernel can. By default, the kernel may delay a timer by 50 µs.
/// Threads and processes that this thread starts later inherit the setting.
pub fn make_precise() {
    if let Err(error) = prctl::set_timerslack(1) {
        log::debug!("cannot make timers precise: {error}");
    }
}

/// Sleeps until an instant of `CLOCK_MONOTONIC`. Returns at once if the instant has passed.
pub fn sleep_until(instant: MonotonicInstant) {
    let time = TimeSpec::from_duration(Duration::from_nanos(instant.as_nanos()));
    let absolute = ClockNanosleepFlags::TIMER_ABSTIME;
    while clock_nanosleep(ClockId::CLOCK_MONOTONIC, absolute, &time) == Err(Errno::EINTR) {}
}

/// Sleeps until shortly before an instant, then spins until the instant. A core that has gone to sleep wakes up late,
/// in a virtual machine by some hundred microseconds. Use this only if a core is free, see [`is_core_free`]. Returns
/// whether this thread got its core back before the instant.
pub fn stay_awake_until(instant: MonotonicInstant) -> bool {
    sleep_until(instant.minus(AWAKE));
    let is_awake = monotonic_now() < instant;
    while monotonic_now() < instant {
        std::hint::spin_loop();
    }
    is_awake
}

/// Whether there are at least as many cores as threads that want to run now, this thread included.
pub fn is_core_free() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    running_threads(&load).is_some_and(|running| running <= cores)
}

/// The number of running threads: the part before the slash in the fourth field of `/proc/loadavg`, proc(5).
fn running_threads(loadavg: &str) -> Option<usize> {
    loadavg.split_whitespace().nth(3)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_never_ends_early_and_an_instant_in_the_past_ends_at_once() {
        make_precise();
        let instant = monotonic_now().plus(Duration::from_millis(3));
        sleep_until(instant);
        assert!(monotonic_now() >= instant);
        sleep_until(MonotonicInstant::from_nanos(0));
        let instant = monotonic_now().plus(Duration::from_millis(3));
        stay_awake_until(instant);
        assert!(monotonic_now() >= instant);
        assert!(!stay_awake_until(instant), "the instant has passed");
    }

    #[test]
    fn the_kernels_line_is_read() {
        assert_eq!(running_threads("0.14 0.20 0.10 3/123 4567\n"), Some(3));
        assert_eq!(running_threads(""), None);
    }
}
