//! Units in which the kernel counts, from sysconf(3).

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

/// The length of some clock ticks, the unit in which proc(5) counts processor time.
pub(crate) fn clock_ticks(count: u64) -> Duration {
    let per_second = sysconf_or(SysconfVar::CLK_TCK, 100).max(1);
    Duration::from_nanos(count.saturating_mul(1_000_000_000 / per_second))
}

/// Bytes in a memory page.
pub(crate) fn page_size() -> u64 {
    sysconf_or(SysconfVar::PAGE_SIZE, 4096)
}

/// Number of cores that this host has now; none if the system does not know.
pub(crate) fn cores() -> Option<u32> {
    sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().and_then(|cores| u32::try_from(cores).ok())
}

fn sysconf_or(variable: SysconfVar, default: u64) -> u64 {
    sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok()).unwrap_or(default)
}
