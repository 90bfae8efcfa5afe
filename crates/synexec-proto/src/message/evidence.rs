//! What a slave knows of a run beyond its times: groups of numbers in `TASK_ENDED`, each big-endian.

use std::time::Duration;

use crate::time::nanos;
use crate::wire::get_u64s;

/// What a task used, as `wait4` tells it of the first process and all that it has waited for. On the wire: five u64, user
/// and system time in nanoseconds, peak resident memory in bytes, voluntary and involuntary context switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Time on a core in the program.
    pub cpu_user: Duration,
    /// Time on a core in the kernel.
    pub cpu_system: Duration,
    /// Most memory that one of its processes had resident, in bytes. Never below what the slave itself had, from which
    /// the task was forked.
    pub peak_memory: u64,
    /// How often it gave up its core.
    pub voluntary_switches: u64,
    /// How often its core was taken from it.
    pub involuntary_switches: u64,
}

impl Usage {
    pub(super) fn encode(&self) -> Vec<u8> {
        let numbers = [
            nanos(self.cpu_user),
            nanos(self.cpu_system),
            self.peak_memory,
            self.voluntary_switches,
            self.involuntary_switches,
        ];
        numbers.map(u64::to_be_bytes).concat()
    }

    pub(super) fn decode(bytes: &[u8; 40]) -> Self {
        let [cpu_user, cpu_system, peak_memory, voluntary_switches, involuntary_switches] = get_u64s(bytes);
        let [cpu_user, cpu_system] = [cpu_user, cpu_system].map(Duration::from_nanos);
        Self { cpu_user, cpu_system, peak_memory, voluntary_switches, involuntary_switches }
    }
}

/// What happened to a slave's host while its task ran. On the wire: steal (u64 nanoseconds), step of the wall clock (i64
/// nanoseconds), time suspended (u64 nanoseconds); the clock source is a field of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guest {
    /// Time for which one of its cores wanted to run and the hypervisor ran somebody else, summed over cores: proc(5),
    /// `/proc/stat`, steal.
    pub steal: Duration,
    /// By how many nanoseconds its wall clock was set, forward or back, beyond what its monotonic clock went on.
    pub clock_step: i64,
    /// How long it was suspended: by how much its boottime clock went on more than its monotonic clock.
    pub suspended: Duration,
    /// What its kernel takes the time from.
    pub clock_source: Option<String>,
}

impl Guest {
    pub(super) fn encode(&self) -> Vec<u8> {
        let [steal, suspended] = [self.steal, self.suspended].map(|time| nanos(time).to_be_bytes());
        [steal, self.clock_step.to_be_bytes(), suspended].concat()
    }

    pub(super) fn decode(bytes: &[u8; 24], clock_source: Option<String>) -> Self {
        let [steal, clock_step, suspended] = get_u64s(bytes);
        let [steal, suspended] = [steal, suspended].map(Duration::from_nanos);
        Self { steal, clock_step: clock_step.cast_signed(), suspended, clock_source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_their_places() {
        let time = Duration::from_nanos;
        let usage = Usage {
            cpu_user: time(1),
            cpu_system: time(2),
            peak_memory: 3,
            voluntary_switches: 4,
            involuntary_switches: 5,
        };
        let bytes: [u8; 40] = usage.encode().try_into().unwrap();
        assert_eq!(bytes, *[1u64, 2, 3, 4, 5].map(u64::to_be_bytes).concat());
        assert_eq!(Usage::decode(&bytes), usage);
        let guest = Guest { steal: time(1), clock_step: -2, suspended: time(3), clock_source: None };
        let bytes: [u8; 24] = guest.encode().try_into().unwrap();
        assert_eq!(Guest::decode(&bytes, None), guest);
    }
}
