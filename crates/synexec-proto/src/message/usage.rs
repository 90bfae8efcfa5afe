//! The resources that a task used: a field of `TASK_ENDED`.

use std::time::Duration;

use crate::time::nanos;
use crate::wire::{u64s_from_wire, u64s_to_wire};

/// Bytes of the field.
pub(super) const USAGE_LEN: usize = 5 * 8;

/// The resources that a task used, as wait4(2) reports them: of the first process and of all processes that it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time in user mode.
    pub cpu_user: Duration,
    /// CPU time in the kernel.
    pub cpu_system: Duration,
    /// Peak resident memory of the largest process, in bytes. It is never less than the memory of the slave itself when
    /// it forked the task.
    pub peak_memory: u64,
    /// Voluntary context switches.
    pub voluntary_switches: u64,
    /// Involuntary context switches.
    pub involuntary_switches: u64,
}

impl Usage {
    pub(super) fn encode(&self) -> Vec<u8> {
        u64s_to_wire(&[
            nanos(self.cpu_user),
            nanos(self.cpu_system),
            self.peak_memory,
            self.voluntary_switches,
            self.involuntary_switches,
        ])
    }

    pub(super) fn decode(bytes: &[u8; USAGE_LEN]) -> Self {
        let [cpu_user, cpu_system, peak_memory, voluntary_switches, involuntary_switches] = u64s_from_wire(bytes);
        let [cpu_user, cpu_system] = [cpu_user, cpu_system].map(Duration::from_nanos);
        Self { cpu_user, cpu_system, peak_memory, voluntary_switches, involuntary_switches }
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
        let bytes: [u8; USAGE_LEN] = usage.encode().try_into().unwrap();
        let expected = [1, 2, 3, 4, 5].map(|number| [0, 0, 0, 0, 0, 0, 0, number]).concat();
        assert_eq!(bytes, *expected);
        assert_eq!(Usage::decode(&bytes), usage);
    }
}
