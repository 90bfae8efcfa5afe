//! Interfaces and addresses that come late, go, and change.

use std::fs;

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;

use crate::daemons::IN_PID_NAMESPACE;

pub const TESTS: &[(&str, Test)] = &[
    ("nics::a_slave_waits_for_its_interface", a_slave_waits_for_its_interface),
    ("nics::a_daemon_waits_for_its_interface", a_daemon_waits_for_its_interface),
    ("nics::a_slave_waits_for_an_address", a_slave_waits_for_an_address),
    ("nics::a_slave_that_dials_waits_for_its_interface", a_slave_that_dials_waits_for_its_interface),
    ("nics::a_slave_hears_its_interface_that_was_made_anew", a_slave_hears_its_interface_that_was_made_anew),
    ("nics::a_slave_answers_from_its_new_address", a_slave_answers_from_its_new_address),
    ("nics::a_master_waits_for_its_interface", a_master_waits_for_its_interface),
    ("nics::a_master_is_reached_at_its_new_address", a_master_is_reached_at_its_new_address),
    ("nics::a_slave_returns_to_an_interface_made_anew", a_slave_returns_to_an_interface_made_anew),
];

const ABSENT: &str = "waiting for the interface `eth0`, which does not exist; the interfaces of this host are: lo";

fn a_slave_waits_for_its_interface() -> Result<()> {
    let fleet = Fleet::new(1)?;
    fleet.guests[0].unplug()?;
    let slave = fleet.slave(0, &["-i", "eth0"])?;
    slave.wait_for(ABSENT)?;
    fleet.guests[0].plug()?;
    slave.wait_for("the interface `eth0` is there, with 10.77.0.2")?;
    fleet.serves_a_session()?;
    ensure!(slave.output_so_far().matches(ABSENT).count() == 1, "{}", slave.output_so_far());
    Ok(())
}

/// The daemon says in the foreground what it waits for, and goes to the background all the same.
fn a_daemon_waits_for_its_interface() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let guest = &fleet.guests[0];
    guest.unplug()?;
    let mut command = guest.command("unshare");
    command.args(IN_PID_NAMESPACE);
    command.arg("\"$0\" -d -i eth0 --work-dir . --log-file slave.log --name vm0 && exec sleep infinity");
    let slave = Process::spawn(command.arg(programs::slave()))?;
    slave.wait_for(ABSENT)?;
    let has_pid = || slave.output_so_far().lines().any(|line| line.parse::<i32>().is_ok()).then_some(());
    eventually("the slave's pid", has_pid)?;
    let log_says = |what: &str| {
        let log = || fs::read_to_string(guest.dir().join("slave.log")).unwrap_or_default();
        eventually(&format!("{what:?} in the log"), || log().contains(what).then_some(()))
    };
    log_says(ABSENT)?;
    guest.plug()?;
    log_says("the interface `eth0` is there")?;
    fleet.serves_a_session()?;
    log_says("task ended: exited 0")
}

fn a_slave_waits_for_an_address() -> Result<()> {
    let fleet = Fleet::new(1)?;
    fleet.guests[0].ip("address flush dev eth0")?;
    let slave = fleet.slave(0, &["-i", "eth0"])?;
    slave.wait_for("waiting for an IPv4 address on the interface `eth0`, which has none; only IPv4 is supported")?;
    fleet.guests[0].ip("address add 10.77.0.2/16 brd + dev eth0")?;
    slave.wait_for("the interface `eth0` is there, with 10.77.0.2")?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_slave_that_dials_waits_for_its_interface() -> Result<()> {
    let fleet = Fleet::new(1)?;
    fleet.guests[0].unplug()?;
    let slave = fleet.slave(0, &["-i", "eth0", "-m", &fleet.control.address().to_string()])?;
    slave.wait_for(ABSENT)?;
    fleet.guests[0].plug()?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_slave_hears_its_interface_that_was_made_anew() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.listening_slave(0, &["-i", "eth0"])?;
    // The slave may or may not see the time between the two.
    fleet.guests[0].unplug()?;
    fleet.guests[0].plug()?;
    fleet.serves_a_session()?;
    fleet.guests[0].unplug()?;
    slave.wait_for(ABSENT)?;
    fleet.guests[0].plug()?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_slave_answers_from_its_new_address() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.listening_slave(0, &["-i", "eth0"])?;
    fleet.guests[0].ip("address flush dev eth0\naddress add 10.77.9.9/16 brd + dev eth0")?;
    slave.wait_for("the interface `eth0` is there, with 10.77.9.9")?;
    let finished = fleet.serves_a_session()?;
    ensure!(row(&finished, "vm0")?.contains("10.77.9.9"), "{finished:?}");
    Ok(())
}

fn a_master_waits_for_its_interface() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.listening_slave(0, &[])?;
    let conf = fleet.conf("/bin/true\n")?;
    let misspelt = fleet.master(1, &conf, &["-i", "eth9", "--wait", "1"])?.wait()?;
    let told = "waiting for the interface `eth9`, which does not exist; the interfaces of this host are: lo, eth0";
    ensure!(misspelt.code() == Some(3) && misspelt.stderr.contains(told), "{misspelt:?}");

    fleet.control.unplug()?;
    let master = fleet.master(1, &conf, &["-i", "eth0"])?;
    master.wait_for(ABSENT)?;
    fleet.control.plug()?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    ensure!(finished.stderr.contains("the interface `eth0` is there, with 10.77.0.1"), "{finished:?}");
    Ok(())
}

fn a_master_is_reached_at_its_new_address() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &["-i", "eth0"])?;
    master.wait_for("listening on 10.77.0.1:5165")?;
    fleet.control.ip("address flush dev eth0\naddress add 10.77.9.9/16 brd + dev eth0")?;
    master.wait_for("listening on 10.77.9.9:5165")?;
    let slave = fleet.slave(0, &[])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    slave.wait_for("connected to master 10.77.9.9:5165")?;
    Ok(())
}

/// The task runs on while the master has no interface, and the slave finds the master when the interface is there.
fn a_slave_returns_to_an_interface_made_anew() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &["--reconnect", "60"])?;
    let conf = fleet.conf("/bin/sh :CONF:\necho ran; while [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\n")?;
    let master = fleet.master(1, &conf, &["-i", "eth0", "--reconnect", "60"])?;
    fleet.wait_for_output(0, "ran")?;
    fleet.control.unplug()?;
    master.wait_for(ABSENT)?;
    ensure!(fleet.guests[0].reset_connections()? == 1);
    slave.wait_for("the connection to the master broke")?;
    fleet.control.plug()?;
    slave.wait_for("the connection to the master is resumed")?;
    fs::write(fleet.guests[0].dir().join("go"), "")?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0) && row(&finished, "vm0")?.contains("exited 0"), "{finished:?}");
    Ok(())
}
