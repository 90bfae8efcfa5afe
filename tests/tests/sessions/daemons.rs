//! `-d`: early failures show in the foreground. Then the program prints the daemon's pid, and the log file gets the
//! rest.

use std::fs;
use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, is_alive};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;

pub const TESTS: &[(&str, Test)] = &[
    ("daemons::both_programs_run_in_the_background", both_programs_run_in_the_background),
    ("daemons::an_early_failure_is_in_the_foreground", an_early_failure_is_in_the_foreground),
];

/// Runs a program `$0` that becomes a daemon, in a pid namespace that ends with the child.
pub const IN_PID_NAMESPACE: [&str; 6] = ["--pid", "--fork", "--kill-child", "--", "sh", "-c"];

fn both_programs_run_in_the_background() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let guest = &fleet.guests[0];
    let (slave_log, master_log) = (guest.dir().join("slave.log"), fleet.control.dir().join("master.log"));
    let mut slave = guest.command("unshare");
    slave.args(IN_PID_NAMESPACE).arg("\"$0\" -d --work-dir . --log-file slave.log --name vm0 && exec sleep infinity");
    let slave = Process::spawn(slave.arg(programs::slave()))?;
    let is_pid = |line: &str| line.parse::<i32>().is_ok();
    eventually("the slave's pid", || slave.output_so_far().lines().any(is_pid).then_some(()))?;

    let conf = fleet.conf("/bin/echo done\n")?;
    let mut master = fleet.control.command(programs::master());
    master.args(["-d", "--log-file", "master.log", "1"]).arg(conf.file_name().context("a name")?);
    let foreground = Process::spawn(master)?.wait()?;
    ensure!(foreground.code() == Some(0), "{foreground:?}");
    ensure!(foreground.stderr.lines().count() == 1 && foreground.stderr.contains("no key:"), "{foreground:?}");
    let pid: i32 = foreground.stdout.trim().parse()?;
    ensure!(foreground.stdout == format!("{pid}\n"), "{foreground:?}");
    eventually("the end of the master", || (!is_alive(&pid.to_string())).then_some(()))?;

    let log = fs::read_to_string(&master_log)?;
    ensure!(log.contains("joined: 1 of 1") && log.contains("Rank") && log.contains("exited 0"), "{log}");
    ensure!(fs::read_to_string(&slave_log)?.contains("task ended: exited 0"));
    ensure!(fleet.output(0)? == "done\n");
    Ok(())
}

fn an_early_failure_is_in_the_foreground() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let conf = fleet.conf("/bin/true\n")?;
    for (options, conf, status, message) in [
        (&["-d"][..], &fleet.control.dir().join("missing"), 2, "No such file"),
        (&["-d", "--log-file", "/no/such/dir/log"], &conf, 7, "cannot write the log file"),
    ] {
        // Not even root can make a directory in /proc.
        let options: Vec<_> = options.iter().map(|option| option.replace("/no/such/dir", "/proc/none")).collect();
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let finished = fleet.master(1, conf, &options)?.wait()?;
        ensure!(finished.code() == Some(status) && finished.stdout.is_empty(), "{finished:?}");
        ensure!(finished.stderr.contains(message), "{finished:?}");
    }
    let holder = fleet.master(1, &conf, &[])?;
    holder.wait_for("waiting")?;
    let busy = fleet.master(1, &conf, &["-d"])?.wait()?;
    ensure!(busy.code() == Some(7) && busy.stdout.is_empty(), "{busy:?}");

    let first = fleet.listening_slave(0, &[])?;
    let second = fleet.slave(0, &["-d"])?.wait()?;
    ensure!(second.code() == Some(2) && second.stderr.contains("--work-dir"), "{second:?}");
    first.signal(Signal::SIGTERM)?;
    ensure!(first.wait()?.code() == Some(143));

    let _holder = fleet.guests[0].enter(|| UdpSocket::bind("0.0.0.0:5165"))?;
    let unheard = fleet.slave(0, &["-d"])?.wait()?;
    ensure!(unheard.code() == Some(7) && unheard.stderr.contains("cannot listen for probes"), "{unheard:?}");
    Ok(())
}
