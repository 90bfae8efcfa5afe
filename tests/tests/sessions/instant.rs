//! The instant of the start on different clocks, and the report of it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::missing::Missing;
use synexec_tests::messages::POSTPONED;
use synexec_tests::process::{Finished, Process, eventually};
use synexec_tests::report::{Slave, only_round};

pub const TESTS: &[(&str, Test)] = &[
    ("instant::clocks_that_are_hours_apart_start_together", clocks_that_are_hours_apart_start_together),
    ("instant::a_slave_stopped_across_the_instant_starts_late_and_says_so", a_slave_stopped_across_the_instant),
    ("instant::a_host_that_is_far_away_takes_part", a_host_that_is_far_away_takes_part),
    ("instant::a_skew_over_the_limit_has_a_status_of_its_own", a_skew_over_the_limit_has_a_status_of_its_own),
];

const HOUR: u32 = 3600;

/// Longest time from an order until a test reads it in the master's output.
const ORDERED: Duration = Duration::from_millis(100);

/// Rounding error of the report's floating-point figures, in seconds.
const ROUNDING: f64 = 2e-6;

/// Largest skew of a common start on clocks that are hours apart. A benchmark measures the actual skew.
const TOGETHER: Duration = Duration::from_secs(10);

/// Slaves whose clocks are ahead by one hour more than their number.
fn slaves_of_other_times(fleet: &Fleet) -> Result<Vec<Process>> {
    let slave = |guest| {
        let ahead = (u32::try_from(guest)? * HOUR + HOUR).to_string();
        fleet.slave_through(guest, &["unshare", "--time", "--monotonic", &ahead, "--boottime", &ahead, "--"], &[])
    };
    (0..fleet.guests.len()).map(slave).collect()
}

/// Checks that the offset is right within the uncertainty of the report, and that the uncertainty is small.
fn is_ahead(slave: &Slave, expected: f64) -> Result<()> {
    let clock = slave.clock.context("no clock")?;
    let wrong = (clock.offset - expected).abs();
    ensure!(wrong <= clock.offset_error + ROUNDING && wrong < 1.0, "{expected} s expected: {slave:?}");
    Ok(())
}

fn clocks_that_are_hours_apart_start_together() -> Result<()> {
    if !Path::new("/proc/self/ns/time").exists() {
        return Err(Missing("this kernel has no time namespaces").into());
    }
    let fleet = Fleet::new(4)?;
    let _slaves = slaves_of_other_times(&fleet)?;
    let finished = fleet.master(4, &fleet.conf("/bin/date +%s%N\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let starts: Vec<Duration> = (0..4).map(|guest| wall_clock(&fleet, guest)).collect::<Result<_>>()?;
    let first = *starts.iter().min().context("nobody started")?;
    ensure!(starts.iter().all(|start| start.saturating_sub(first) < TOGETHER), "{starts:?} with {finished:?}");
    let round = only_round(&fleet.control)?;
    for guest in 0..4_u32 {
        is_ahead(round.slave(&format!("vm{guest}"))?, f64::from((guest + 1) * HOUR))?;
    }
    Ok(())
}

/// The time that the task on a guest read from the machine's common clock.
fn wall_clock(fleet: &Fleet, guest: usize) -> Result<Duration> {
    Ok(Duration::from_nanos(fleet.output(guest)?.trim().parse()?))
}

/// A session in which a slave was stopped between its confirmation and its instant, and went on after the others had
/// started.
struct Nap {
    finished: Finished,
    /// Least time from the instant until the slave went on, in seconds.
    slept: f64,
    /// Seconds by which the task was late, according to the report. The other tasks were in time.
    late: f64,
}

/// Runs the session. Returns none if this machine was too slow for the stop, the continuation or the other starts.
fn nap_across_the_instant(fleet: &Fleet, slaves: &[Process]) -> Result<Option<Nap>> {
    const LEAD: Duration = Duration::from_millis(400);
    let conf = fleet.conf("/bin/sh :CONF:\nsleep 1\necho done\n")?;
    let master = fleet.master(3, &conf, &["--lead", "400"])?;
    master.wait_for("starting the task")?;
    let (ordered_before, ready) = (Instant::now(), master.wait_for_count(") is ready to start", 3));
    ready?;
    slaves[0].signal(Signal::SIGSTOP)?;
    let done = |guest| fleet.output(guest).is_ok_and(|output| output.contains("done"));
    let missed = || master.output_so_far().contains(POSTPONED);
    eventually("the others", || (missed() || done(1) && done(2)).then_some(()))?;
    let before = ordered_before.elapsed().saturating_sub(LEAD);
    slaves[0].signal(Signal::SIGCONT)?;
    let after = ordered_before.elapsed().saturating_sub(LEAD) + ORDERED;
    let finished = master.wait()?;
    fleet.forget_outputs()?;
    if finished.stderr.contains(POSTPONED) || after.as_secs_f64() <= 1.0 {
        return Ok(None);
    }
    let round = only_round(&fleet.control)?;
    let late_of = |name| round.slave(name)?.late.context("no start");
    let (late, others) = (late_of("vm0")?, late_of("vm1")?.max(late_of("vm2")?));
    // A continued process needs some time to release its task.
    let is_near = others < late / 4.0 && late < after.as_secs_f64() + 0.5;
    Ok(is_near.then_some(Nap { finished, slept: before.as_secs_f64(), late }))
}

fn a_slave_stopped_across_the_instant() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let slaves = fleet.slaves(&[])?;
    let nap = || nap_across_the_instant(&fleet, &slaves).transpose();
    let Nap { finished, slept, late } = eventually("one slave that is late by as long as it was stopped", nap)??;
    ensure!(finished.code() == Some(0) && late >= slept, "{late} s late after {slept} s: {finished:?}");
    Ok(())
}

fn a_host_that_is_far_away_takes_part() -> Result<()> {
    let fleet = Fleet::new(2)?;
    fleet.guests[0].delay(Duration::from_millis(20))?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(2, &fleet.conf("/bin/true\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let round = only_round(&fleet.control)?;
    ensure!(round.slave("vm0")?.clock.is_some_and(|clock| clock.round_trip >= 0.040), "{round:?}");
    for name in ["vm0", "vm1"] {
        is_ahead(round.slave(name)?, 0.0)?;
    }
    Ok(())
}

fn a_skew_over_the_limit_has_a_status_of_its_own() -> Result<()> {
    let fleet = Fleet::new(4)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/true\n")?;
    let with_limit = |limit: &str| -> Result<Finished> { fleet.master(4, &conf, &["--max-skew", limit])?.wait() };
    for (limit, status) in [("100000000", 0), ("0", 6)] {
        let finished = with_limit(limit)?;
        ensure!(finished.code() == Some(status), "{finished:?}");
        let round = only_round(&fleet.control)?;
        ensure!(round.slaves.len() == 4 && round.starts() == 4, "{finished:?}");
        ensure!(finished.stdout.starts_with("4 of 4 slaves succeeded; skew "), "{finished:?}");
    }
    Ok(())
}
