//! Connections that swallow everything although nothing reports a break, and are replaced long before their slaves are lost.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process};
use synexec_tests::report::only_round;

use crate::keys;

pub const TESTS: &[(&str, Test)] = &[
    ("silence::a_result_arrives_although_a_firewall_has_forgotten_the_connection", forgotten_by_a_firewall),
    ("silence::with_a_key_it_is_the_same", with_a_key_it_is_the_same),
    ("silence::a_result_arrives_although_the_guest_has_another_address", the_guest_has_another_address),
    ("silence::a_slave_notices_while_its_task_runs", a_slave_notices_while_its_task_runs),
    ("silence::a_result_arrives_when_the_host_can_be_reached_again", the_host_can_be_reached_again),
    ("silence::a_master_that_is_stopped_keeps_its_session", a_master_that_is_stopped_keeps_its_session),
];

/// Runs until a file appears in its guest's directory.
const UNTIL_GO: &str = "/bin/sh :CONF:\necho ran; while [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\n";

/// What a slave says that suspects its connection.
const SUSPICION: &str = "trying a second connection to the master";

const RESUMED: &str = "the connection to the master is resumed";

fn let_go(fleet: &Fleet) -> Result<()> {
    Ok(fleet.guests.iter().try_for_each(|guest| fs::write(guest.dir().join("go"), ""))?)
}

/// Two slaves and a master whose task runs.
fn running(fleet: &Fleet, options: &[&str]) -> Result<(Vec<Process>, Process)> {
    let slaves = fleet.slaves(options)?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, options)?;
    for guest in 0..2 {
        fleet.wait_for_output(guest, "ran")?;
    }
    Ok((slaves, master))
}

fn forget(fleet: &Fleet) -> Result<()> {
    let forgotten = fleet.guests[0].forget_connections()?;
    ensure!(forgotten == 1, "{forgotten} connections");
    Ok(())
}

/// Checks that the session has succeeded, and that only the connection of vm0 was resumed.
fn ensure_resumed(fleet: &Fleet, finished: &Finished) -> Result<()> {
    ensure!(finished.code() == Some(0) && row(finished, "vm0")?.contains("exited 0"), "{finished:?}");
    ensure!(!finished.stderr.contains("is lost"), "{finished:?}");
    let round = only_round(&fleet.control)?;
    let reconnects = |name| round.slave(name)?.all["reconnects"].as_u64().context("no number");
    ensure!(reconnects("vm0")? >= 1 && reconnects("vm1")? == 0, "{round:?}");
    Ok(())
}

fn forgotten_with(options: &[&str], fleet: &Fleet) -> Result<Vec<Process>> {
    let (slaves, master) = running(fleet, options)?;
    forget(fleet)?;
    let_go(fleet)?;
    slaves[0].wait_for(SUSPICION)?;
    ensure_resumed(fleet, &master.wait()?)?;
    slaves[0].wait_for(RESUMED)?;
    slaves.iter().try_for_each(|slave| slave.wait_for("session over").map(drop))?;
    Ok(slaves)
}

fn forgotten_by_a_firewall() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = forgotten_with(&[], &fleet)?;
    fleet.serves_a_session()?;
    Ok(())
}

fn with_a_key_it_is_the_same() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let key = keys::key_file(&fleet, "key", "a secret of some length")?;
    forgotten_with(&["-k", &key], &fleet).map(drop)
}

fn the_guest_has_another_address() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let (slaves, master) = running(&fleet, &["-i", "eth0"])?;
    fleet.guests[0].readdress(&fleet.network)?;
    let_go(&fleet)?;
    slaves[0].wait_for(SUSPICION)?;
    ensure_resumed(&fleet, &master.wait()?)?;
    slaves[0].wait_for("session over").map(drop)
}

fn a_slave_notices_while_its_task_runs() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let (slaves, master) = running(&fleet, &["--lost-after", "12"])?;
    forget(&fleet)?;
    slaves[0].wait_for(SUSPICION)?;
    slaves[0].wait_for(RESUMED)?;
    master.wait_for("vm0 (10.77.0.2) has reconnected after")?;
    let_go(&fleet)?;
    ensure_resumed(&fleet, &master.wait()?)
}

fn the_host_can_be_reached_again() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let (slaves, master) = running(&fleet, &[])?;
    fleet.guests[0].cut()?;
    let_go(&fleet)?;
    slaves[0].wait_for("task ended: exited 0")?;
    slaves[0].wait_for("cannot connect to the master")?;
    forget(&fleet)?;
    fleet.guests[0].restore()?;
    ensure_resumed(&fleet, &master.wait()?)
}

fn a_master_that_is_stopped_keeps_its_session() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let (slaves, master) = running(&fleet, &["--lost-after", "6"])?;
    master.signal(Signal::SIGSTOP)?;
    slaves.iter().try_for_each(|slave| slave.wait_for(SUSPICION).map(drop))?;
    let_go(&fleet)?;
    slaves.iter().try_for_each(|slave| slave.wait_for("task ended: exited 0").map(drop))?;
    master.signal(Signal::SIGCONT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    ensure!(!finished.stderr.contains("is lost"), "{finished:?}");
    Ok(())
}
