//! The report of how the tasks ran, and the reasons why a run is not a valid measurement.

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::messages::POSTPONED;
use synexec_tests::process::{Finished, Process, eventually};
use synexec_tests::report::only_round;

pub const TESTS: &[(&str, Test)] = &[
    ("evidence::a_task_that_was_released_late_has_a_remark", a_task_that_was_released_late_has_a_remark),
    ("evidence::time_on_a_core_is_told", time_on_a_core_is_told),
    ("evidence::the_most_memory_is_told", the_most_memory_is_told),
    ("evidence::switches_of_the_core_are_counted", switches_of_the_core_are_counted),
];

const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;

/// A task that uses 0.3 s of CPU time, without any other process.
const BURN: &str = "/bin/sh :CONF:\nwhile read -r stat </proc/$$/stat; set -- $stat; [ $((${14} + ${15})) -lt 30 ]; do\n\
                    i=0; while [ $i -lt 10000 ]; do i=$((i + 1)); done\ndone\n";

/// A figure of a session's only slave.
fn figure(fleet: &Fleet, place: &str) -> Result<u64> {
    let round = only_round(&fleet.control)?;
    let slave = &round.slaves.first().context("no slave")?.all;
    slave.pointer(place).and_then(serde_json::Value::as_u64).with_context(|| format!("no {place} in {slave:#}"))
}

fn run(fleet: &Fleet, conf: &str) -> Result<Finished> {
    let finished = fleet.master(1, &fleet.conf(conf)?, &[])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(finished)
}

/// Runs the session. Returns none if this machine was too slow to stop the slave before its instant and the start was
/// ordered again.
fn start_with_one_stopped(fleet: &Fleet, slaves: &[Process]) -> Result<Option<Finished>> {
    let conf = fleet.conf("/bin/sh :CONF:\nsleep 1\necho done\n")?;
    let master = fleet.master(2, &conf, &["--lead", "400"])?;
    master.wait_for_count(") is ready to start", 2)?;
    slaves[0].signal(Signal::SIGSTOP)?;
    let missed = || master.output_so_far().contains(POSTPONED);
    let is_done = || fleet.output(1).is_ok_and(|output| output.contains("done"));
    eventually("the other's end", || (missed() || is_done()).then_some(()))?;
    slaves[0].signal(Signal::SIGCONT)?;
    let finished = master.wait()?;
    fleet.forget_outputs()?;
    let late = only_round(&fleet.control)?.slave("vm0")?.late;
    let was_stopped = !finished.stderr.contains(POSTPONED) && late.is_some_and(|late| late > 0.5);
    Ok(was_stopped.then_some(finished))
}

fn a_task_that_was_released_late_has_a_remark() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let start = || start_with_one_stopped(&fleet, &slaves).transpose();
    let finished = eventually("a slave that is stopped in time", start)??;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let row = row(&finished, "vm0")?;
    ensure!(row.contains("its task was released ") && row.contains(" late") && row.starts_with(" *"), "{row}");
    let round = only_round(&fleet.control)?;
    let slave = &round.slave("vm0")?.all;
    ensure!(slave["stands_out"] == true && slave["remarks"].to_string().contains("released"), "{slave:#}");
    let told = finished.stderr.lines().any(|line| line.contains("vm0") && line.contains("late"));
    ensure!(told, "{finished:?}");
    Ok(())
}

fn time_on_a_core_is_told() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    run(&fleet, BURN)?;
    let cpu = figure(&fleet, "/usage/cpu_user_ns")? + figure(&fleet, "/usage/cpu_system_ns")?;
    let elapsed = figure(&fleet, "/elapsed_ns")?;
    ensure!((SECOND / 5..=elapsed + SECOND / 10).contains(&cpu), "{cpu} ns on a core in {elapsed} ns");
    run(&fleet, "/bin/sleep 0.4\n")?;
    let cpu = figure(&fleet, "/usage/cpu_user_ns")? + figure(&fleet, "/usage/cpu_system_ns")?;
    ensure!(cpu < SECOND / 10 && figure(&fleet, "/elapsed_ns")? >= SECOND * 2 / 5, "{cpu} ns on a core, asleep");
    Ok(())
}

fn the_most_memory_is_told() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    run(&fleet, "/bin/dd if=/dev/zero of=/dev/null bs=64M count=1\n")?;
    let most = figure(&fleet, "/usage/peak_memory_bytes")?;
    ensure!((64 * MIB..96 * MIB).contains(&most), "{most} bytes");
    run(&fleet, "/bin/true\n")?;
    let most = figure(&fleet, "/usage/peak_memory_bytes")?;
    ensure!((1..32 * MIB).contains(&most), "{most} bytes");
    Ok(())
}

fn switches_of_the_core_are_counted() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    run(&fleet, "/bin/sh :CONF:\nfor i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.01; done\n")?;
    let voluntary = figure(&fleet, "/usage/voluntary_switches")?;
    ensure!((20..1000).contains(&voluntary), "ten sleeps, each awaited, took {voluntary} switches");
    figure(&fleet, "/usage/involuntary_switches").map(drop)
}
