//! The resources that a running task has used so far, from proc(5).

use std::time::Duration;

use super::group::ProcessGroup;
use super::stat::Stat;
use crate::sysconf::{clock_ticks, page_size};

/// The resources that the processes of a task's session have used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Processor time of the living processes and of the children that they have waited for.
    pub cpu: Duration,
    /// Resident memory in bytes. Shared memory counts once for each process.
    pub memory: u64,
    /// Whether a signal has stopped the first process.
    pub stopped: bool,
}

impl ProcessGroup {
    /// Takes a sample of the task; none when its first process is gone.
    pub fn sample(self) -> Option<Sample> {
        let first = Stat::of(self.0)?;
        let session: Vec<_> = Stat::of_all()?.filter(|stat| stat.session == first.session && stat.is_alive()).collect();
        let sum = |part: fn(&Stat) -> u64| session.iter().map(part).fold(0, u64::saturating_add);
        Some(Sample {
            cpu: clock_ticks(sum(|stat| stat.cpu_ticks)),
            memory: sum(|stat| stat.resident_pages).saturating_mul(page_size()),
            stopped: matches!(first.state, 'T' | 't'),
        })
    }
}
