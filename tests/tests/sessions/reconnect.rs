//! Connections that break while tasks run or outputs are fetched, and are resumed.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, is_alive, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};
use synexec_tests::report::{self, only_round};

use crate::{keys, schema};

pub const TESTS: &[(&str, Test)] = &[
    ("reconnect::a_reset_while_tasks_run_costs_nothing", a_reset_while_tasks_run),
    ("reconnect::with_a_key_it_is_the_same", with_a_key_it_is_the_same),
    ("reconnect::a_result_is_kept_while_the_host_is_cut_off", a_result_is_kept_while_the_host_is_cut_off),
    ("reconnect::an_output_comes_whole_in_spite_of_resets", an_output_comes_whole_in_spite_of_resets),
    ("reconnect::live_lines_come_once_each_in_spite_of_resets", live_lines_come_once_each),
    ("reconnect::each_round_may_be_taken_up_again", each_round_may_be_taken_up_again),
    ("reconnect::a_master_that_was_killed_is_tried_for_its_time", a_master_that_was_killed),
    ("reconnect::where_it_is_not_wanted_a_reset_is_a_loss", where_it_is_not_wanted),
    ("reconnect::a_slave_that_reconnects_is_told_to_stop", a_slave_that_reconnects_is_told_to_stop),
];

/// Tells its pid, and runs until a file appears in its guest's directory.
const UNTIL_GO: &str =
    "/bin/sh :CONF:\necho pid $$ pid; while [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done; rm -f go\n";

fn let_go(fleet: &Fleet) -> Result<()> {
    Ok(fleet.guests.iter().try_for_each(|guest| fs::write(guest.dir().join("go"), ""))?)
}

/// The pid of the task that runs on a guest.
fn task(fleet: &Fleet, guest: usize) -> Result<String> {
    let output = fleet.wait_for_output(guest, " pid")?;
    output.split_whitespace().nth(1).map(str::to_owned).with_context(|| output.clone())
}

/// Resets the only connection of a guest.
fn reset(fleet: &Fleet, guest: usize) -> Result<()> {
    let reset = fleet.guests[guest].reset_connections()?;
    ensure!(reset == 1, "{reset} connections");
    Ok(())
}

fn reconnects(fleet: &Fleet, name: &str) -> Result<u64> {
    only_round(&fleet.control)?.slave(name)?.all["reconnects"].as_u64().context("no number")
}

/// Resets one of two slaves' connections while their tasks run.
fn reset_while_tasks_run(fleet: &Fleet, options: &[&str]) -> Result<()> {
    let slaves = fleet.slaves(options)?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, options)?;
    let tasks = [task(fleet, 0)?, task(fleet, 1)?];
    reset(fleet, 0)?;
    let told = master.wait_for("vm0 (10.77.0.2) has reconnected after")?;
    // The slave may resume before the master notices the break.
    let broke = "the connection of vm0 (10.77.0.2) broke (Connection reset by peer";
    ensure!(told.ends_with("after 0 s") || master.output_so_far().contains(broke), "{}", master.output_so_far());
    slaves[0].wait_for("the connection to the master broke")?;
    slaves[0].wait_for("the connection to the master is resumed")?;
    ensure!(tasks.iter().all(|pid| is_alive(pid)), "{tasks:?}");
    let_go(fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("its connection broke and was resumed"), "{finished:?}");
    schema::check(&report::read(&fleet.control)?)?;
    ensure!((reconnects(fleet, "vm0")?, reconnects(fleet, "vm1")?) == (1, 0), "{finished:?}");
    ensure!(!slaves[1].output_so_far().contains("broke"), "{}", slaves[1].output_so_far());
    slaves.iter().try_for_each(|slave| slave.wait_for("session over").map(drop))
}

fn a_reset_while_tasks_run() -> Result<()> {
    let fleet = Fleet::new(2)?;
    reset_while_tasks_run(&fleet, &[])
}

fn with_a_key_it_is_the_same() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let key = keys::key_file(&fleet, "key", "a secret of some length")?;
    reset_while_tasks_run(&fleet, &["-k", &key])
}

/// The master does not notice that the connection is broken.
fn a_result_is_kept_while_the_host_is_cut_off() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &[])?;
    task(&fleet, 0)?;
    fleet.guests[0].cut()?;
    reset(&fleet, 0)?;
    slaves[0].wait_for("the connection to the master broke")?;
    let_go(&fleet)?;
    slaves[0].wait_for("task ended: exited 0")?;
    fleet.guests[0].restore()?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0) && row(&finished, "vm0")?.contains("exited 0"), "{finished:?}");
    ensure!(reconnects(&fleet, "vm0")? == 1, "{finished:?}");
    fleet.serves_a_session()?;
    Ok(())
}

/// Number of bytes of an output that have arrived.
fn come(fleet: &Fleet) -> Option<u64> {
    let entries = fs::read_dir(fleet.control.dir().join("out")).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).max()
}

fn an_output_comes_whole_in_spite_of_resets() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    fleet.control.limit_rate("8mbit")?;
    let master = fleet.master(1, &fleet.conf("/bin/sh :CONF:\nseq 1000000\n")?, &["-o", "out"])?;
    for megabytes in 1..=3 {
        let is_there = || come(&fleet).filter(|come| *come > megabytes << 20).map(drop);
        eventually("some more of the output", is_there)?;
        reset(&fleet, 0)?;
        master.wait_for_count("has reconnected after", usize::try_from(megabytes)?)?;
    }
    fleet.control.limit_rate("1gbit")?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let [fetched, written] =
        [fleet.control.dir().join("out/0-vm0.out"), fleet.guests[0].dir().join("synexec.out")].map(fs::read);
    ensure!(fetched? == written?, "the output differs");
    ensure!(reconnects(&fleet, "vm0")? == 3, "{finished:?}");
    Ok(())
}

fn live_lines_come_once_each() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let conf = "/bin/sh :CONF:\ni=0; while [ $i -lt 200 ] && [ -d \"$PWD\" ]; do\n\
        i=$((i+1)); echo line $i; sleep 0.01\n\
        while [ $i = 150 ] && [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done; done\n";
    let master = fleet.master(1, &fleet.conf(conf)?, &["--live"])?;
    for (number, line) in (1..).zip(["vm0: line 30", "vm0: line 70", "vm0: line 110"]) {
        master.wait_for(line)?;
        reset(&fleet, 0)?;
        master.wait_for_count("has reconnected after", number)?;
    }
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let lines = finished.stdout.lines().filter(|line| line.starts_with("vm0: "));
    let expected = (1..=200).map(|number| format!("vm0: line {number}"));
    ensure!(lines.eq(expected), "{}", finished.stdout);
    Ok(())
}

fn each_round_may_be_taken_up_again() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &["--rounds", "2"])?;
    for round in 1..=2 {
        master.wait_for_count("the task starts", round)?;
        task(&fleet, 0)?;
        reset(&fleet, 0)?;
        master.wait_for_count("has reconnected after", round)?;
        let_go(&fleet)?;
    }
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let rounds = report::rounds(&fleet.control)?;
    for round in &rounds {
        ensure!(round.slave("vm0")?.all["reconnects"] == 1, "{round:?}");
    }
    ensure!(rounds.len() == 2);
    Ok(())
}

fn a_master_that_was_killed() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&["--reconnect", "2"])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &[])?;
    let tasks = [task(&fleet, 0)?, task(&fleet, 1)?];
    master.signal(Signal::SIGKILL)?;
    let killed = Instant::now();
    slaves[0].wait_for("trying to resume it for 2 s")?;
    eventually("the end of the tasks", || (!tasks.iter().any(|pid| is_alive(pid))).then_some(()))?;
    ensure!((2..8).contains(&killed.elapsed().as_secs()), "{:?}", killed.elapsed());
    slaves.iter().try_for_each(|slave| slave.wait_for("session over").map(drop))?;
    fleet.serves_a_session()?;
    Ok(())
}

/// Resets a connection of a session in which one side does not resume connections.
fn reset_without(fleet: &Fleet, slave_options: &[&str], master_options: &[&str]) -> Result<Process> {
    let slaves = fleet.slaves(slave_options)?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, master_options)?;
    let pid = task(fleet, 0)?;
    reset(fleet, 0)?;
    master.wait_for("vm0 (10.77.0.2) is lost")?;
    eventually("the end of the task", || (!is_alive(&pid)).then_some(()))?;
    let_go(fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5) && row(&finished, "vm0")?.contains("lost after"), "{finished:?}");
    ensure!(row(&finished, "vm1")?.contains("exited 0"), "{finished:?}");
    drop(slaves);
    fleet
        .guests
        .iter()
        .try_for_each(|guest| fs::remove_file(guest.dir().join("go")).or(Ok::<_, std::io::Error>(())))?;
    fleet.forget_outputs()?;
    Ok(master)
}

fn where_it_is_not_wanted() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let by_master = reset_without(&fleet, &[], &["--reconnect", "0"])?;
    ensure!(!by_master.output_so_far().contains("to reconnect"), "{}", by_master.output_so_far());
    let by_slave = reset_without(&fleet, &["--reconnect", "0"], &["--reconnect", "1"])?;
    ensure!(by_slave.output_so_far().contains("1.000 s to reconnect"), "{}", by_slave.output_so_far());
    Ok(())
}

fn a_slave_that_reconnects_is_told_to_stop() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&["--reconnect", "60"])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &["--reconnect", "60"])?;
    task(&fleet, 0)?;
    fleet.guests[0].cut()?;
    reset(&fleet, 0)?;
    slaves[0].wait_for("the connection to the master broke")?;
    master.signal(Signal::SIGINT)?;
    slaves[1].wait_for("task ended: killed by SIGTERM")?;
    fleet.guests[0].restore()?;
    let since = Instant::now();
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("killed by SIGTERM"), "{finished:?} after {:?}", since.elapsed());
    ensure!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    Ok(())
}
