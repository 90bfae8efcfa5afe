//! Evidence that a guest was descheduled. The test writes the file with the kernel's figures.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};
use synexec_tests::report::only_round;

pub const TESTS: &[(&str, Test)] = &[
    ("steal::steal_during_the_run_is_told_in_words", steal_during_the_run_is_told_in_words),
    ("steal::steal_while_the_task_was_held_is_none_of_its", steal_while_the_task_was_held_is_none_of_its),
];

/// The lead in the second test, and the latest time to write the steal well before the start.
const LEAD: &str = "3000";
const EARLY: Duration = Duration::from_millis(1500);

/// The kernel's figures that the slave sees, with this many ticks of steal.
fn set_steal(stat: &Path, ticks: u32) -> Result<()> {
    Ok(fs::write(stat, format!("cpu  1 2 3 4 5 6 7 {ticks} 0 0\ncpu0 1 2 3 4 5 6 7 {ticks} 0 0\n"))?)
}

/// A slave on a guest whose `/proc/stat` is a file of its own.
pub fn slave_with_stat(fleet: &Fleet, guest: usize) -> Result<(Process, PathBuf)> {
    let stat = fleet.control.dir().join(format!("stat{guest}"));
    set_steal(&stat, 1000)?;
    let path = stat.display().to_string();
    let mount = "mount --bind \"$0\" /proc/stat && exec \"$@\"";
    let slave = fleet.slave_through(guest, &["unshare", "--mount", "sh", "-c", mount, &path], &[])?;
    Ok((slave, stat))
}

fn steal_during_the_run_is_told_in_words() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let (_slave, stat) = slave_with_stat(&fleet, 0)?;
    let conf = fleet.conf("/bin/sh :CONF:\necho up\nuntil [ -e go ] || [ ! -d \"$PWD\" ]; do sleep 0.05; done\n")?;
    let master = fleet.master(1, &conf, &[])?;
    fleet.wait_for_output(0, "up")?;
    set_steal(&stat, 1250)?;
    fs::write(fleet.guests[0].dir().join("go"), "")?;
    let finished = master.wait()?;
    let (row, said) = (row(&finished, "vm0")?, "this guest was descheduled: 2.500 s of CPU steal in ");
    ensure!(row.trim_start().starts_with('*') && row.contains(said), "{finished:?}");
    ensure!(
        finished.stdout.lines().next().is_some_and(|line| line.ends_with("the figures are not reliable.")),
        "{finished:?}"
    );
    let round = only_round(&fleet.control)?;
    let guest = &round.slave("vm0")?.all["guest"];
    ensure!(guest["steal_ns"] == 2_500_000_000_u64, "{guest}");
    Ok(())
}

/// Runs the session. Returns none if this machine was too slow to write the steal well before the start.
fn session_with_steal_before(fleet: &Fleet, stat: &Path, ticks: u32) -> Result<Option<u64>> {
    let begun = Instant::now();
    let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &["--lead", LEAD])?;
    master.wait_for("is ready to start")?;
    set_steal(stat, ticks)?;
    let is_early = begun.elapsed() < EARLY;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(only_round(&fleet.control)?.slave("vm0")?.all["guest"]["steal_ns"].as_u64().filter(|_| is_early))
}

fn steal_while_the_task_was_held_is_none_of_its() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let (_slave, stat) = slave_with_stat(&fleet, 0)?;
    let mut ticks = 1000;
    let mut session = || {
        ticks += 100;
        session_with_steal_before(&fleet, &stat, ticks).transpose()
    };
    let steal = eventually("steal well before the start", &mut session)??;
    ensure!(steal == 0, "{steal} ns");
    Ok(())
}
