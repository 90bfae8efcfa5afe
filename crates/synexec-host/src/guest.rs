//! Events on this host that spoil a measurement: the hypervisor takes processor time away, the host is suspended, or
//! its wall clock is set.

use std::fs;
use std::time::Duration;

use nix::time::ClockId;
use synexec_proto::message::Guest;
use synexec_proto::text::printable;

use crate::clock::nanos;
use crate::sysconf::{clock_ticks, cores};

/// The file in which the kernel names its clock source.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Number of readings of the clocks. The fastest reading is used.
const READINGS: usize = 5;

/// The state of this host at one time, to be compared with its state at a later time.
#[derive(Debug, Clone, Copy)]
pub struct GuestState {
    steal: Duration,
    clocks: Clocks,
}

/// The readings of three clocks at one instant, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    realtime: i64,
    monotonic: i64,
    boottime: i64,
}

impl GuestState {
    /// The current state.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self { steal: clock_ticks(steal(&stat).unwrap_or(0)), clocks: Clocks::now() }
    }

    /// The events since an earlier state.
    pub fn since(&self, before: &Self) -> Guest {
        let clock_source = fs::read(CLOCK_SOURCE).ok().map(|name| printable(name.trim_ascii()));
        let suspended = self.clocks.suspended_since(&before.clocks);
        Guest {
            steal: self.steal.saturating_sub(before.steal),
            clock_step: self.clocks.step_since(&before.clocks),
            suspended,
            clock_source,
            cores: cores(),
        }
    }
}

impl Clocks {
    /// The reading that took the least time out of several. During a slow one, this thread may have lost its core.
    fn now() -> Self {
        let readings = (0..READINGS).map(|_| {
            let monotonic = nanos(ClockId::CLOCK_MONOTONIC);
            let (realtime, boottime) = (nanos(ClockId::CLOCK_REALTIME), nanos(ClockId::CLOCK_BOOTTIME));
            let after = nanos(ClockId::CLOCK_MONOTONIC);
            let middle = monotonic.saturating_add(after.saturating_sub(monotonic) / 2);
            (after.saturating_sub(monotonic), Self { realtime, monotonic: middle, boottime })
        });
        let best = readings.min_by_key(|(took, _)| *took);
        best.map_or(Self { realtime: 0, monotonic: 0, boottime: 0 }, |(_, clocks)| clocks)
    }

    /// The nanoseconds by which the wall clock was set forward; negative if it was set back. Slewing does not count,
    /// because it changes the rate of all clocks alike.
    fn step_since(&self, before: &Self) -> i64 {
        let passed = self.boottime.saturating_sub(before.boottime);
        self.realtime.saturating_sub(before.realtime).saturating_sub(passed)
    }

    /// The time for which the monotonic clock stood still.
    fn suspended_since(&self, before: &Self) -> Duration {
        let [boottime, monotonic] =
            [self.boottime.saturating_sub(before.boottime), self.monotonic.saturating_sub(before.monotonic)];
        Duration::from_nanos(u64::try_from(boottime.saturating_sub(monotonic)).unwrap_or(0))
    }
}

/// The clock ticks of steal: the eighth number of the line for all cores in `/proc/stat`, proc(5).
fn steal(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    line.split_whitespace().nth(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_read_where_the_kernel_writes_it() {
        let stat = "cpu  7 1 5 900 3 0 2 42 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 5\n";
        assert_eq!(steal(stat), Some(42));
        assert_eq!(steal("intr 5\n"), None);
    }

    #[test]
    fn a_step_and_a_suspension_are_distinguished() {
        let before = Clocks { realtime: 1_000, monotonic: 50, boottime: 70 };
        let stepped = Clocks { realtime: 9_000, monotonic: 150, boottime: 170 };
        assert_eq!((stepped.step_since(&before), stepped.suspended_since(&before)), (7_900, Duration::ZERO));
        let suspended = Clocks { realtime: 9_000, monotonic: 150, boottime: 8_070 };
        assert_eq!(suspended.step_since(&before), 0);
        assert_eq!(suspended.suspended_since(&before), Duration::from_nanos(7_900));
        let back = Clocks { realtime: 0, ..before };
        assert_eq!(back.step_since(&before), -1_000);
    }

    #[test]
    fn nothing_happens_to_this_host_in_a_moment() {
        let before = GuestState::now();
        let guest = GuestState::now().since(&before);
        assert!(guest.clock_step.abs() < 1_000_000 && guest.suspended < Duration::from_millis(1), "{guest:?}");
        assert!(guest.cores.is_some_and(|cores| cores > 0), "{guest:?}");
    }
}
