//! `-d`: early failures show in the foreground. Then the program prints the daemon's pid, and the log file gets the
//! rest.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use synexec_tests::fleet::{Fleet, is_alive};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;

pub const TESTS: &[(&str, Test)] = &[
    ("daemons::both_programs_run_in_the_background", both_programs_run_in_the_background),
    ("daemons::an_early_failure_is_in_the_foreground", an_early_failure_is_in_the_foreground),
    ("daemons::a_daemon_does_not_keep_the_lock_of_its_shell", a_daemon_does_not_keep_the_lock_of_its_shell),
    ("daemons::sighup_opens_the_log_file_of_a_daemon_anew", sighup_opens_the_log_file_of_a_daemon_anew),
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

/// A slave as a daemon in a pid namespace that ends with the child. The shell runs `setup` first.
fn slave_daemon(fleet: &Fleet, setup: &str, options: &str) -> Result<(Process, String)> {
    let mut shell = fleet.guests[0].command("unshare");
    let script = format!("{setup}\n\"$0\" -d -v --work-dir . --log-file slave.log {options} && exec sleep infinity");
    let shell = Process::spawn(shell.args(IN_PID_NAMESPACE).arg(script).arg(programs::slave()))?;
    let log = fleet.guests[0].dir().join("slave.log");
    wait_for_line(&log, "listening for probes")?;
    // The shell prints the pid in its own namespace. Here the daemon is the process with this log file.
    let is_daemon = |pid: &String| {
        let descriptor = fs::read_link(format!("/proc/{pid}/fd/2"));
        descriptor.is_ok_and(|target| target == log) && is_alive(pid)
    };
    let pids =
        || fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).find(is_daemon);
    let pid = eventually("the daemon", pids)?;
    Ok((shell, pid))
}

fn wait_for_line(log: &Path, needle: &str) -> Result<()> {
    let is_there = || fs::read_to_string(log).is_ok_and(|text| text.contains(needle)).then_some(());
    eventually(&format!("{needle:?} in {}", log.display()), is_there)
}

/// A shell holds a lock on descriptor 9 while it starts the daemon.
fn a_daemon_does_not_keep_the_lock_of_its_shell() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let (_shell, pid) = slave_daemon(&fleet, "exec 9>lock; flock 9", "")?;
    let open: Vec<_> =
        fs::read_dir(format!("/proc/{pid}/fd"))?.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect();
    ensure!(!open.contains(&fleet.guests[0].dir().join("lock")), "{open:?}");
    // The daemon still has its own files.
    ensure!(open.contains(&fleet.guests[0].dir().join("synexec_slave.lock")), "{open:?}");
    fleet.serves_a_session()?;

    let mut master = fleet.control.command("sh");
    let script =
        "exec 9>lock; flock 9; \"$0\" -d --log-file master.log 1 /dev/fd/8 8<next.conf; exec 9>&-; flock -n lock true";
    let finished = Process::spawn(master.args(["-c", script]).arg(programs::master()))?.wait()?;
    ensure!(finished.code() == Some(0), "the master holds the lock: {finished:?}");
    wait_for_line(&fleet.control.dir().join("master.log"), "exited 0")
}

/// The script that logrotate runs after it has renamed the log file.
fn script_of_logrotate(pid_file: &Path) -> Result<String> {
    let conf = include_str!("../../../dist/logrotate/synexec_slave");
    let (_, rest) = conf.split_once("    postrotate\n").context("no script")?;
    let (script, _) = rest.split_once("    endscript\n").context("no end of the script")?;
    ensure!(conf.contains("\n/var/log/synexec_slave.log {\n") && script.contains("/run/synexec_slave.pid"), "{conf}");
    Ok(script.replace("/run/synexec_slave.pid", &pid_file.display().to_string()))
}

fn sighup_opens_the_log_file_of_a_daemon_anew() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let dir = fleet.guests[0].dir();
    let (log, old) = (dir.join("slave.log"), dir.join("slave.log.1"));
    // A daemon that was started under nohup does this too.
    let (_shell, pid) = slave_daemon(&fleet, "trap '' HUP", "")?;
    let pid_file = dir.join("pid");
    fs::write(&pid_file, format!("{pid}\n"))?;
    let script = script_of_logrotate(&pid_file)?;
    let hang_up = || -> Result<()> {
        let finished = Command::new("sh").args(["-ec", &script]).status()?;
        ensure!(finished.success(), "{script}");
        Ok(())
    };
    for _ in 0..4 {
        fs::rename(&log, &old)?;
        hang_up()?;
        wait_for_line(&log, "the log file is open anew")?;
    }
    fleet.serves_a_session()?;
    wait_for_line(&log, "task ended: exited 0")?;
    ensure!(!fs::read_to_string(&old)?.contains("task ended"));
    ensure!(fs::metadata(&log)?.permissions().mode() & 0o777 == 0o600);

    // The log stays where it is if there can be no new file.
    fs::rename(&log, &old)?;
    fs::create_dir(&log)?;
    hang_up()?;
    wait_for_line(&old, "the log stays in the old file")?;
    kill(Pid::from_raw(pid.parse()?), Signal::SIGTERM)?;
    eventually("the end of the slave", || (!is_alive(&pid)).then_some(()))?;

    // Another process may have the pid by now.
    let mut another = Command::new("sleep").arg("1000").spawn()?;
    fs::write(&pid_file, another.id().to_string())?;
    hang_up()?;
    another.kill()?;
    ensure!(another.wait()?.signal() == Some(Signal::SIGKILL as i32), "SIGHUP went to another process");
    fs::remove_file(&pid_file)?;
    hang_up()
}
