//! Programs that start before the kernel has randomness.

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, wait_until_listening};
use synexec_tests::lab::EarlyBoot;
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;
use synexec_tests::programs;

use crate::keys;

pub const TESTS: &[(&str, Test)] = &[
    ("early_boot::a_slave_without_a_key_needs_no_randomness", a_slave_without_a_key_needs_no_randomness),
    ("early_boot::a_slave_with_a_key_listens_and_says_what_it_waits_for", a_slave_with_a_key_listens),
    ("early_boot::a_master_says_what_it_waits_for", a_master_says_what_it_waits_for),
];

const WAITING: &str = "waiting for the kernel's randomness";

fn slave_in(early_boot: &EarlyBoot, fleet: &Fleet, options: &[&str]) -> Result<Process> {
    let wrapper = early_boot.wrapper();
    let slave = fleet.slave_through(0, &wrapper.each_ref().map(String::as_str), options)?;
    wait_until_listening(&slave)?;
    Ok(slave)
}

fn a_slave_without_a_key_needs_no_randomness() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let early_boot = EarlyBoot::new(fleet.guests[0].dir())?;
    let slave = slave_in(&early_boot, &fleet, &[])?;
    fleet.serves_a_session()?;
    ensure!(!slave.output_so_far().contains(WAITING), "{}", slave.output_so_far());
    Ok(())
}

fn a_slave_with_a_key_listens() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let early_boot = EarlyBoot::new(fleet.guests[0].dir())?;
    let key = keys::key_file(&fleet, "key", "a secret of some length")?;
    let slave = slave_in(&early_boot, &fleet, &["-k", &key])?;
    let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &["-k", &key])?;
    slave.wait_for(WAITING)?;
    early_boot.end()?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    slave.wait_for("the kernel's randomness is there")?;
    Ok(())
}

fn a_master_says_what_it_waits_for() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.listening_slave(0, &[])?;
    let early_boot = EarlyBoot::new(fleet.control.dir())?;
    let mut command = fleet.control.command("env");
    command.args(early_boot.wrapper()).arg(programs::master()).arg("1").arg(fleet.conf("/bin/true\n")?);
    let master = Process::spawn(command)?;
    master.wait_for(WAITING)?;
    early_boot.end()?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(())
}
