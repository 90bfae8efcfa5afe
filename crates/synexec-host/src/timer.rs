//! Waiting for an instant.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};
use synexec_proto::time::MonotonicInstant;

use crate::clock::monotonic_now;

/// How much of a wait is spent awake.
const AWAKE: Duration = Duration::from_micros(400);

/// Has this thread's timers end as close to their time as the kernel can; by default it may put them off by 50 µs.
/// Threads and processes that this thread starts from then on inherit it.
pub fn make_precise() {
    if let Err(error) = prctl::set_timerslack(1) {
        log::debug!("timers stay as they are: {error}");
    }
}

/// Sleeps until an instant of `CLOCK_MONOTONIC`; not at all when it has passed.
pub fn sleep_until(instant: MonotonicInstant) {
    let time = TimeSpec::from_duration(Duration::from_nanos(instant.as_nanos()));
    let absolute = ClockNanosleepFlags::TIMER_ABSTIME;
    while clock_nanosleep(ClockId::CLOCK_MONOTONIC, absolute, &time) == Err(Errno::EINTR) {}
}

/// Sleeps until shortly before an instant, and spends the rest awake: a core that has gone to sleep wakes up late, in a
/// virtual machine by some hundred microseconds. Only where a core is free for that, see [`is_core_free`]; tells whether
/// one was still free then.
pub fn stay_awake_until(instant: MonotonicInstant) -> bool {
    sleep_until(instant.minus(AWAKE));
    let is_awake = monotonic_now() < instant;
    while monotonic_now() < instant {
        std::hint::spin_loop();
    }
    is_awake
}

/// Whether no more threads want to run now, this one included, than there are cores.
pub fn is_core_free() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    running_threads(&load).is_some_and(|running| running <= cores)
}

/// The fourth field of proc(5)'s loadavg: running threads, a slash, and all threads.
fn running_threads(loadavg: &str) -> Option<usize> {
    loadavg.split_whitespace().nth(3)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sleep_ends_early_and_the_past_is_not_waited_for() {
        make_precise();
        let instant = monotonic_now().plus(Duration::from_millis(3));
        sleep_until(instant);
        assert!(monotonic_now() >= instant);
        sleep_until(MonotonicInstant::from_nanos(0));
        let instant = monotonic_now().plus(Duration::from_millis(3));
        stay_awake_until(instant);
        assert!(monotonic_now() >= instant);
        assert!(!stay_awake_until(instant), "it has passed");
    }

    #[test]
    fn the_kernels_line_is_read() {
        assert_eq!(running_threads("0.14 0.20 0.10 3/123 4567\n"), Some(3));
        assert_eq!(running_threads(""), None);
    }
}
