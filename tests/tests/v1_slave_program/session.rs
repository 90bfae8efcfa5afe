//! Whole sessions: the recorded ones, and their leftovers.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use synexec_tests::fleet::{is_alive, left_in};
use synexec_tests::process::eventually;
use synexec_tests::v1::{Command, Master, OurSlave, Recording, mode, play_master};

use crate::{ensure_back, pair};

/// Signals 1 to 31. The next signals belong to the C library, which ignores them in a child.
const STANDARD_SIGNALS: u64 = 0x7fff_ffff;

fn recorded(recording: &Recording) -> Result<OurSlave> {
    let master = Master::listen(recording.session()?)?;
    let slave = OurSlave::listening(&master)?;
    play_master(recording, &master)?.close();
    ensure_back(&master)?;
    play_master(recording, &master).context("the same session again")?;
    Ok(slave)
}

#[test]
fn accepted() -> Result<()> {
    let slave = recorded(&Recording::accepted()?)?;
    slave.expect_output("one\n")?;
    assert_eq!(mode(&slave.output_path())?, 0o600);
    Ok(())
}

#[test]
fn declined() -> Result<()> {
    recorded(&Recording::declined()?)?;
    Ok(())
}

#[test]
fn one_line() -> Result<()> {
    recorded(&Recording::oneline()?)?.expect_output("")
}

#[test]
fn payload_file_is_private_and_goes_with_the_session() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.configure(b"/bin/sh :CONF:\nstat -c %a \"$0\"\necho \"$0\"\n")?;
    peer.send(Command::Exec, &[])?;
    peer.expect(Command::ExecOk)?;
    peer.expect_finish()?;
    let output = String::from_utf8(slave.output()?)?;
    let path = Path::new(output.strip_prefix("600\n").with_context(|| output.clone())?.trim_end());
    assert_eq!(path.parent(), Some(slave.work_dir()));
    assert!(path.exists(), "the payload is gone before the end of the session, but EXEC may come again");
    peer.close();
    master.accept_slave()?;
    assert!(!path.exists(), "left behind: {}", path.display());
    Ok(())
}

#[test]
fn a_replaced_payload_goes_too() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.configure(b"/bin/cat :CONF:\nthe first payload\n")?;
    for conf in ["/bin/cat :CONF:\nthe second payload\n", "/no/such/program\nthe third payload\n"] {
        peer.send(Command::Conf, conf.as_bytes())?;
        peer.expect(if conf.contains("cat") { Command::ConfOk } else { Command::ConfNo })?;
    }
    peer.close();
    master.accept_slave()?;
    for entry in fs::read_dir(slave.work_dir())? {
        let path = entry?.path();
        let left = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(!left.ends_with(b"payload\n"), "left behind: {}", path.display());
    }
    Ok(())
}

#[test]
fn finish_tells_the_times_of_the_command() -> Result<()> {
    let (master, _slave) = pair()?;
    let mut peer = master.configure(b"/bin/sleep 0.5")?;
    let ordered = SystemTime::now();
    peer.send(Command::Exec, &[])?;
    peer.expect(Command::ExecOk)?;
    let finish = peer.expect_finish()?;
    finish.check_since(ordered)?;
    let elapsed = finish.elapsed();
    ensure!(elapsed >= Duration::from_millis(490), "a sleep of 0.5 s took {elapsed:?}");
    let late = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.saturating_sub(finish.finished);
    println!("FINISHD came {late:?} after the end");
    Ok(())
}

#[test]
fn a_command_that_ends_at_once_is_always_reported() -> Result<()> {
    let (master, _slave) = pair()?;
    let start = Instant::now();
    for round in 0..20 {
        master.run(b"/bin/true\n").with_context(|| format!("session {round}"))?;
    }
    println!("20 sessions took {:?}", start.elapsed());
    Ok(())
}

#[test]
fn a_failing_command_is_finished_too() -> Result<()> {
    let (master, _slave) = pair()?;
    master.run(b"/bin/false\n")?;
    master.run(b"/bin/sh :CONF:\nkill -9 $$\n")
}

#[test]
fn back_in_discovery_wherever_the_master_leaves() -> Result<()> {
    let (master, _slave) = pair()?;
    master.accept()?.close();
    ensure_back(&master).context("left after connecting")?;
    master.accept_slave()?.close();
    ensure_back(&master).context("left after joining")?;
    master.configure(b"/bin/true\n")?.close();
    ensure_back(&master).context("left after CONF_OK")
}

/// Runs a payload that first prints its pid. The master closes its connection when it knows the pid.
fn desert(master: &Master, slave: &OurSlave, payload: &str) -> Result<Pid> {
    let mut peer = master.configure(format!("/bin/sh :CONF:\n{payload}").as_bytes())?;
    peer.send(Command::Exec, &[])?;
    peer.expect(Command::ExecOk)?;
    let pid = eventually("the command's pid", || pid_in(&slave.output_path()))?;
    peer.close();
    Ok(pid)
}

#[test]
fn a_master_that_goes_takes_the_command_with_it() -> Result<()> {
    let (master, slave) = pair()?;
    let command = desert(&master, &slave, "echo $$\nexec /bin/sleep 300\n")?;
    ensure_back(&master)?;
    eventually("the end of the command", || kill(command, None).err())?;
    Ok(())
}

#[test]
fn a_master_that_goes_takes_what_the_command_started_with_it() -> Result<()> {
    let (master, slave) = pair()?;
    let child = desert(&master, &slave, "/bin/sleep 300 &\necho $!\nwait\necho over\n")?;
    eventually("the end of the command's child", || kill(child, None).err())?;
    master.accept_slave()?;
    slave.expect_output(format!("{child}\n"))
}

/// A process that is dead but not reaped still belongs to its process group.
#[test]
fn zombies_that_nobody_reaps_do_not_delay_the_slave() -> Result<()> {
    let (master, slave) = pair()?;
    // The shell that reports its readiness has left the group. It is the parent of a sleep and never waits for it.
    let escapes = "sh -c '/bin/sleep 300 & exec setsid sh -c \"echo $!; exec /bin/sleep 10\"'\n";
    desert(&master, &slave, escapes)?;
    ensure_back(&master)
}

#[test]
fn the_command_has_no_signals_blocked_or_ignored() -> Result<()> {
    let (master, slave) = pair()?;
    master.run(b"/bin/cat /proc/self/status\n")?;
    let status = String::from_utf8(slave.output()?)?;
    for set in ["SigBlk:", "SigIgn:"] {
        let found = status.lines().find_map(|line| line.strip_prefix(set)).context("no such line")?;
        let signals = u64::from_str_radix(found.trim(), 16)? & STANDARD_SIGNALS;
        ensure!(signals == 0, "{set} the command inherits {signals:#x}");
    }
    Ok(())
}

/// The task of a conf is held before the order to start. In this session the order never comes.
fn never_start(master: &Master, slave: &OurSlave) -> Result<()> {
    let peer = master.configure(b"/bin/sh :CONF:\necho ran\n")?;
    let held = slave.process().children()?;
    ensure!(held.len() == 1, "no task is held: {held:?}");
    peer.close();
    ensure_back(master)?;
    none_is_left(&held)
}

fn none_is_left(tasks: &[String]) -> Result<()> {
    eventually("the end of what was held", || tasks.iter().all(|task| !is_alive(task)).then_some(()))
}

#[test]
fn a_conf_that_is_never_started_leaves_nothing() -> Result<()> {
    let (master, slave) = pair()?;
    never_start(&master, &slave)?;
    let left = left_in(slave.work_dir())?;
    ensure!(left == ["synexec_slave.lock"], "left behind: {left:?}");
    Ok(())
}

#[test]
fn a_conf_that_is_never_started_leaves_the_last_output() -> Result<()> {
    let (master, slave) = pair()?;
    master.run(b"/bin/echo from the start before\n")?;
    ensure_back(&master)?;
    never_start(&master, &slave)?;
    slave.expect_output("from the start before\n")
}

#[test]
fn a_replaced_conf_takes_its_held_task_along() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.configure(b"/bin/echo first\n")?;
    let first = slave.process().children()?;
    peer.send(Command::Conf, b"/bin/echo second\n")?;
    peer.expect(Command::ConfOk)?;
    none_is_left(&first)?;
    let second = slave.process().children()?;
    ensure!(second.iter().filter(|task| is_alive(task)).count() == 1, "not one task is held: {second:?}");
    peer.send(Command::Conf, b"/no/such/program\n")?;
    peer.expect(Command::ConfNo)?;
    none_is_left(&second)
}

fn pid_in(file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(file).ok()?;
    text.strip_suffix('\n')?.parse().ok().map(Pid::from_raw)
}
