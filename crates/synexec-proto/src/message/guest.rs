//! Events on the host of a slave while its task ran, and facts about this host: three fields of `TASK_ENDED`.

use std::time::Duration;

use crate::time::nanos;
use crate::wire::{u64s_from_wire, u64s_to_wire};

/// Bytes of the field of events. The clock source and the number of cores are fields of their own.
pub(super) const GUEST_LEN: usize = 3 * 8;

/// Events on the host of a slave, usually a virtual machine, while its task ran.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guest {
    /// Steal time, summed over all CPUs: the hypervisor ran something else (proc(5), `/proc/stat`).
    pub steal: Duration,
    /// Step of the wall clock, in nanoseconds; negative if the clock was set back.
    pub clock_step: i64,
    /// Time for which the host was suspended: the advance of its boottime clock beyond that of its monotonic clock.
    pub suspended: Duration,
    /// The clock source of the host's kernel, such as `tsc`.
    pub clock_source: Option<String>,
    /// Number of cores of the host.
    pub cores: Option<u32>,
}

impl Guest {
    pub(super) fn encode(&self) -> Vec<u8> {
        u64s_to_wire(&[nanos(self.steal), self.clock_step.cast_unsigned(), nanos(self.suspended)])
    }

    pub(super) fn decode(bytes: &[u8; GUEST_LEN], clock_source: Option<String>, cores: Option<u32>) -> Self {
        let [steal, clock_step, suspended] = u64s_from_wire(bytes);
        let [steal, suspended] = [steal, suspended].map(Duration::from_nanos);
        Self { steal, clock_step: clock_step.cast_signed(), suspended, clock_source, cores }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_their_places() {
        let time = Duration::from_nanos;
        let guest = Guest { steal: time(1), clock_step: -2, suspended: time(3), clock_source: None, cores: None };
        let bytes: [u8; GUEST_LEN] = guest.encode().try_into().unwrap();
        assert_eq!(bytes[..8], [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(bytes[8..16], [255, 255, 255, 255, 255, 255, 255, 254]);
        assert_eq!(bytes[16..], [0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(Guest::decode(&bytes, None, None), guest);
    }
}
