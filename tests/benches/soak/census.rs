//! A count of every resource that can leak.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use synexec_tests::fleet::left_in;
use synexec_tests::process::{Process, eventually};

use crate::house::{House, SURVIVOR};

/// Growth of memory in kB that is not yet a leak, because an allocator keeps some freed memory.
const MEMORY_SPARE: u64 = 512;

/// Figures that must not grow.
pub struct Census(Vec<Figure>);

struct Figure {
    what: &'static str,
    count: u64,
    /// Allowed growth until the next count.
    spare: u64,
}

impl Census {
    /// Counts everything. Processes of killed slaves may take a moment to end, so the count waits for the lowest
    /// number.
    pub fn of(house: &House) -> Result<Self> {
        let survivor = &house.slaves[SURVIVOR];
        let all_hosts = || house.fleet.guests.iter().chain([&house.fleet.control]);
        let settled = || processes(house).map(|count| (count <= 2 * house.slaves.len()).then_some(count)).transpose();
        // If the processes do not end, the comparison shows it.
        let processes = eventually("processes to go", settled).unwrap_or_else(|_| processes(house))?;
        let files: Result<Vec<_>> = all_hosts().map(|host| files_in(host.dir())).collect();
        let figures = [
            ("processes on all hosts", processes, 0),
            ("files of all hosts", files?.into_iter().sum(), 0),
            ("children of the slave that lives", survivor.children()?.len(), 0),
            ("descriptors of that slave", entries(survivor, "fd")?, 0),
            ("threads of that slave", entries(survivor, "task")?, 0),
            ("descriptors of this process", fs::read_dir("/proc/self/fd")?.count(), 0),
            ("memory of that slave, kB", usize::try_from(anonymous_memory(survivor)?)?, MEMORY_SPARE),
        ];
        let figure = |(what, count, spare)| Ok(Figure { what, count: u64::try_from(count)?, spare });
        Ok(Self(figures.into_iter().map(figure).collect::<Result<_>>()?))
    }

    /// Prints both counts, and tells whether nothing has grown.
    pub fn compare(&self, after: &Self) -> bool {
        println!("{:35} {:>8} {:>8}", "", "before", "after");
        let mut sound = true;
        for (before, after) in self.0.iter().zip(&after.0) {
            let grown = after.count > before.count + before.spare;
            sound &= !grown;
            println!("{:35} {:8} {:8} {}", before.what, before.count, after.count, if grown { "LEAKED" } else { "" });
        }
        sound
    }
}

fn processes(house: &House) -> Result<usize> {
    let hosts = house.fleet.guests.iter().chain([&house.fleet.control]);
    let counts: Result<Vec<_>> = hosts.map(|host| Ok(host.occupants()?.len())).collect();
    Ok(counts?.into_iter().sum())
}

fn files_in(dir: &Path) -> Result<usize> {
    let names = left_in(dir)?;
    let inside = |name| if dir.join(&name).is_dir() { files_in(&dir.join(name)) } else { Ok(0) };
    let nested: Result<Vec<_>> = names.iter().cloned().map(inside).collect();
    Ok(names.len() + nested?.into_iter().sum::<usize>())
}

fn entries(process: &Process, of: &str) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{}/{of}", process.pid()))?.count())
}

/// Private memory of a process, in kB, because pages of its program come and go.
fn anonymous_memory(process: &Process) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
