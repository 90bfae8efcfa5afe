//! How far a task is that runs: what its processes have used, from proc(5).

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use super::group::ProcessGroup;
use super::stat::Stat;

/// What the processes of a task's session have used by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Time on a core, of those that live and the children that they have waited for.
    pub cpu: Duration,
    /// Resident memory, in bytes; what they share counts for each.
    pub memory: u64,
    /// Whether a signal has stopped the first process.
    pub stopped: bool,
}

impl ProcessGroup {
    /// Looks at the task; none when its first process is gone.
    pub fn sample(self) -> Option<Sample> {
        let first = Stat::of(self.0)?;
        let session: Vec<_> = Stat::of_all()?.filter(|stat| stat.session == first.session && stat.is_alive()).collect();
        let sum = |part: fn(&Stat) -> u64| session.iter().map(part).fold(0, u64::saturating_add);
        Some(Sample {
            cpu: ticks(sum(|stat| stat.cpu_ticks)),
            memory: sum(|stat| stat.resident_pages).saturating_mul(system(SysconfVar::PAGE_SIZE, 4096)),
            stopped: matches!(first.state, 'T' | 't'),
        })
    }
}

/// Clock ticks as time.
pub(crate) fn ticks(count: u64) -> Duration {
    let per_second = system(SysconfVar::CLK_TCK, 100).max(1);
    Duration::from_nanos(count.saturating_mul(1_000_000_000 / per_second))
}

fn system(variable: SysconfVar, otherwise: u64) -> u64 {
    sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok()).unwrap_or(otherwise)
}
