//! Shortages of descriptors and threads: a program reports the shortage, and the session goes on.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::libc;
use synexec_tests::fleet::{Fleet, as_slave, row, rows};
use synexec_tests::lab::Host;
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::missing::Missing;
use synexec_tests::process::{Finished, Process, eventually};
use synexec_tests::programs;

use crate::raw_peer::RawPeer;

pub const TESTS: &[(&str, Test)] = &[
    ("shortages::a_master_without_descriptors_to_spare_goes_on", a_master_without_descriptors_to_spare),
    ("shortages::a_master_without_threads_to_spare_goes_on", a_master_without_threads_to_spare),
    ("shortages::a_master_that_can_have_no_thread_says_so", a_master_that_can_have_no_thread),
    ("shortages::a_slave_without_descriptors_declines_and_serves_again", a_slave_without_descriptors),
    ("shortages::a_slave_without_threads_declines_and_serves_again", a_slave_without_threads),
    ("shortages::a_slave_without_memory_declines_and_serves_again", a_slave_without_memory),
];

/// A user of its own, because the kernel counts processes by user.
const MASTERS_USER: u32 = 64_301;
const SLAVES_USER: u32 = 64_302;

/// Number of strangers, more than the limit allows.
const STRANGERS: usize = 40;

/// Memory that a starved program has left: less than the stack of one more thread.
const MEMORY_LEFT: u64 = 1 << 20;

const EMFILE: &str = "Too many open files";
const EAGAIN: &str = "Resource temporarily unavailable";

/// Words before a command that run it as this user. The host's directory gets a copy of the program and becomes the
/// user's.
fn as_user(host: &Host, program: &Path, user: u32) -> Result<(Command, PathBuf)> {
    match chown(host.dir(), Some(user), Some(user)) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            return Err(Missing("this user namespace has no second user").into());
        }
        outcome => outcome?,
    }
    let copy = host.dir().join("program");
    fs::copy(program, &copy)?;
    let user = user.to_string();
    let mut command = host.command("setpriv");
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--pdeathsig", "KILL", "--"]);
    Ok((command, copy))
}

/// A master to which too many strangers connect before its two slaves.
fn is_crowded(fleet: &Fleet, command: &mut Command) -> Result<Finished> {
    let master = Process::spawn(command.arg("-v").arg("2").arg(fleet.conf("/bin/true\n")?))?;
    master.wait_for("listening on ")?;
    let strangers: Vec<_> = (0..STRANGERS).map(|_| RawPeer::dial(&fleet.guests[2], fleet)).collect::<Result<_>>()?;
    let _slaves = [fleet.slave(0, &[])?, fleet.slave(1, &[])?];
    let finished = master.wait()?;
    drop(strangers);
    ensure!(finished.code() == Some(0) && rows(&finished, "exited").len() == 2, "{finished:?}");
    Ok(finished)
}

fn a_master_without_descriptors_to_spare() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let mut command = fleet.control.command("prlimit");
    let finished = is_crowded(&fleet, command.args(["--nofile=20:20", "--"]).arg(programs::master()))?;
    ensure!(finished.stderr.contains(&format!("cannot accept a connection: {EMFILE}")), "{finished:?}");
    Ok(())
}

fn a_master_without_threads_to_spare() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let (mut command, master) = as_user(&fleet.control, programs::master(), MASTERS_USER)?;
    let finished = is_crowded(&fleet, command.args(["prlimit", "--nproc=12:12", "--"]).arg(master))?;
    ensure!(finished.stderr.contains(&format!("cannot accept a connection: {EAGAIN}")), "{finished:?}");
    Ok(())
}

fn a_master_that_can_have_no_thread() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let (mut command, master) = as_user(&fleet.control, programs::master(), MASTERS_USER + 10)?;
    let conf = fleet.conf("/bin/true\n")?;
    command.args(["prlimit", "--nproc=1:1", "--"]).arg(master).arg("1").arg(conf);
    let finished = Process::spawn(command)?.wait()?;
    ensure!(finished.code() == Some(7) && finished.stderr.contains(EAGAIN), "{finished:?}");
    Ok(())
}

/// Sets a soft limit of a running process, as the owner of the process.
fn limit(process: &Process, what: &str) -> Result<()> {
    let pid = process.pid().to_string();
    let owner = fs::metadata(format!("/proc/{pid}"))?;
    let (user, group) = (owner.uid().to_string(), owner.gid().to_string());
    let mut command = Command::new("setpriv");
    if owner.uid() != 0 {
        command.args(["--reuid", &user, "--regid", &group, "--clear-groups"]);
    }
    let told =
        command.args(["prlimit", "--pid", &pid, what]).output().context("setpriv and prlimit (of util-linux)")?;
    ensure!(told.status.success(), "{what}: {}", String::from_utf8_lossy(&told.stderr));
    Ok(())
}

/// Checks that the slave declines for this reason at the limit, and serves again without the limit.
fn declines_and_serves(
    fleet: &Fleet,
    slave: &Process,
    short: impl FnOnce() -> Result<String>,
    plenty: &str,
    why: &str,
) -> Result<()> {
    let master = fleet.master(2, &fleet.conf("/bin/cat :CONF:\nran\n")?, &[])?;
    master.wait_for("vm0 (10.77.0.2) joined")?;
    limit(slave, &short()?)?;
    let _other = fleet.slave(1, &[])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    let declined = row(&finished, "vm0")?;
    ensure!(declined.contains("declined: ") && declined.contains(why), "{declined}");
    ensure!(row(&finished, "vm1")?.contains("cancelled") && !fleet.has_run(1), "{finished:?}");
    ensure!(slave.is_running(), "{finished:?}");
    // The slave cannot listen either, until it has the resources.
    eventually("the session to be over", || slave.output_so_far().contains("session over").then_some(()))?;
    limit(slave, plenty)?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_slave_without_descriptors() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slave = fleet.slave(0, &[])?;
    declines_and_serves(&fleet, &slave, || Ok("--nofile=4:".into()), "--nofile=1024:", EMFILE)
}

fn a_slave_without_threads() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let (mut command, program) = as_user(&fleet.guests[0], programs::slave(), SLAVES_USER)?;
    let slave = Process::spawn(as_slave(command.arg(program), &fleet.guests[0], "vm0", &[]))?;
    declines_and_serves(&fleet, &slave, || Ok("--nproc=1:".into()), "--nproc=1000:", EAGAIN)
}

fn a_slave_without_memory() -> Result<()> {
    let fleet = Fleet::new(2)?;
    // A listening slave could use the stack of its listening thread for another thread.
    let slave = fleet.slave(0, &["-m", &fleet.control.address().to_string()])?;
    let short = || Ok(format!("--as={}:", slave.status_kilobytes("VmSize")? * 1024 + MEMORY_LEFT));
    declines_and_serves(&fleet, &slave, short, "--as=unlimited:", EAGAIN)
}
