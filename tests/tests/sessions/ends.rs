//! The ends of sessions: exit statuses, and interrupts by the user.

use std::fs;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, is_alive, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;

pub const TESTS: &[(&str, Test)] = &[
    ("ends::a_failed_task_is_told_with_its_status_or_signal", a_failed_task_is_told_with_its_status_or_signal),
    ("ends::an_interrupt_while_joining_frees_the_slaves", an_interrupt_while_joining_frees_the_slaves),
    ("ends::an_interrupt_while_executing_stops_the_tasks", an_interrupt_while_executing_stops_the_tasks),
    ("ends::a_task_that_ignores_sigterm_is_killed", a_task_that_ignores_sigterm_is_killed),
    ("ends::the_master_waits_for_the_whole_process_group", the_master_waits_for_the_whole_process_group),
    ("ends::a_hangup_stops_the_task_too", a_hangup_stops_the_task_too),
    ("ends::a_hangup_is_ignored_under_nohup", a_hangup_is_ignored_under_nohup),
    ("ends::a_second_interrupt_leaves_at_once", a_second_interrupt_leaves_at_once),
    ("ends::a_second_interrupt_ends_a_master_that_cannot_print", a_second_interrupt_ends_a_master_that_cannot_print),
    ("ends::a_slave_that_is_told_to_end_reports_first", a_slave_that_is_told_to_end_reports_first),
    ("ends::a_slave_that_is_told_to_end_gives_its_last_lines", a_slave_that_is_told_to_end_gives_its_last_lines),
    ("ends::a_slave_that_is_told_to_end_gives_its_output_first", a_slave_that_is_told_to_end_gives_its_output_first),
    ("ends::a_task_that_ends_at_once_is_never_lost", a_task_that_ends_at_once_is_never_lost),
    ("ends::the_end_is_told_early_errors_first", the_end_is_told_early_errors_first),
];

const SLEEP: &str = "/bin/sh :CONF:\nsleep 1000 & echo $!\nwait\n";
const STUBBORN: &str = "/bin/sh :CONF:\ntrap '' TERM; echo ready; while :; do sleep 0.1; done\n";

fn a_failed_task_is_told_with_its_status_or_signal() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let script = "/bin/sh :CONF:\ncase $SYNEXEC_NAME in vm1) exit 3;; vm2) kill -9 $$;; esac\n";
    let finished = fleet.master(3, &fleet.conf(script)?, &[])?.wait()?;
    ensure!(finished.code() == Some(1), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("exited 0"));
    ensure!(row(&finished, "vm1")?.contains("exited 3"));
    ensure!(row(&finished, "vm2")?.contains("killed by SIGKILL"));
    Ok(())
}

fn an_interrupt_while_joining_frees_the_slaves() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let master = fleet.master(2, &fleet.conf("/bin/true\n")?, &[])?;
    master.wait_for("joined: 1 of 2")?;
    master.signal(Signal::SIGINT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130) && row(&finished, "vm0")?.contains("cancelled"), "{finished:?}");
    slave.wait_for("session over")?;
    fleet.serves_a_session()?;
    Ok(())
}

fn an_interrupt_while_executing_stops_the_tasks() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(SLEEP)?, &[])?;
    let children = [fleet.wait_for_output(0, "\n")?, fleet.wait_for_output(1, "\n")?];
    master.signal(Signal::SIGTERM)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(143), "{finished:?}");
    ensure!(finished.stdout.starts_with("Interrupted by SIGTERM. 0 of 2 slaves succeeded"), "{finished:?}");
    for name in ["vm0", "vm1"] {
        ensure!(row(&finished, name)?.contains("killed by SIGTERM"), "{finished:?}");
    }
    for child in children {
        eventually("the end of the task's child", || (!is_alive(child.trim())).then_some(()))?;
    }
    fleet.serves_a_session()?;
    Ok(())
}

fn a_task_that_ignores_sigterm_is_killed() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let master = fleet.master(1, &fleet.conf(STUBBORN)?, &[])?;
    fleet.wait_for_output(0, "ready")?;
    master.signal(Signal::SIGINT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130) && row(&finished, "vm0")?.contains("killed by SIGKILL"), "{finished:?}");
    ensure!(finished.stdout.starts_with("Interrupted. 0 of 1 slave succeeded"), "{finished:?}");
    Ok(())
}

fn a_hangup_is_ignored_under_nohup() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave_through(0, &["--ignore-signal=HUP"], &["--once"])?;
    let master =
        fleet.master(1, &fleet.conf("/bin/sh :CONF:\necho ready\nwhile ! [ -e go ]; do sleep 0.1; done\n")?, &[])?;
    fleet.wait_for_output(0, "ready\n")?;
    slave.signal(Signal::SIGHUP)?;
    fs::write(fleet.guests[0].dir().join("go"), "")?;
    ensure!(master.wait()?.code() == Some(0) && slave.wait()?.code() == Some(0));
    Ok(())
}

fn a_second_interrupt_leaves_at_once() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let master = fleet.master(1, &fleet.conf(STUBBORN)?, &[])?;
    fleet.wait_for_output(0, "ready")?;
    master.signal(Signal::SIGINT)?;
    slave.wait_for("stopping the task")?;
    master.signal(Signal::SIGINT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("did not report the end in time"), "{finished:?}");
    slave.wait_for("task ended: killed by SIGKILL")?;
    Ok(())
}

/// The session is over, and the results do not fit into the pipe: its reader takes only the beginning.
fn a_second_interrupt_ends_a_master_that_cannot_print() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let reader = "{ exec <results; head -c 1 >/dev/null; echo printing >&2; \
                  while kill -0 $$ 2>/dev/null; do sleep 0.1; done; }";
    let mut command = fleet.control.command("sh");
    command.args(["-c", &format!("mkfifo results; {reader} & exec \"$0\" \"$@\" >results")]).arg(programs::master());
    let conf = fleet.conf("/bin/sh :CONF:\nseq 100000; exec sleep 1000\n")?;
    let master = Process::spawn(command.args(["--gather", "1"]).arg(conf))?;
    fleet.wait_for_output(0, "\n100000\n")?;
    // This signal ends the session, and does not count after its end.
    master.signal(Signal::SIGINT)?;
    master.wait_for("printing")?;
    master.signal(Signal::SIGTERM)?;
    master.wait_for("the session is over; one more signal ends this program")?;
    master.signal(Signal::SIGINT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130), "{finished:?}");
    Ok(())
}

fn a_slave_that_is_told_to_end_reports_first() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let master = fleet.master(1, &fleet.conf(SLEEP)?, &[])?;
    fleet.wait_for_output(0, "\n")?;
    slave.signal(Signal::SIGTERM)?;
    ensure!(slave.wait()?.code() == Some(143));
    let finished = master.wait()?;
    ensure!(finished.code() == Some(1) && row(&finished, "vm0")?.contains("killed by SIGTERM"), "{finished:?}");
    let left: Vec<_> = std::fs::read_dir(fleet.guests[0].dir())?.filter_map(Result::ok).collect();
    ensure!(left.len() == 1, "more than the output remains: {left:?}");
    Ok(())
}

/// The slave's last messages then go through a thread.
fn a_slave_that_is_told_to_end_gives_its_last_lines() -> Result<()> {
    let fleet = Fleet::new(1)?;
    for _ in 0..5 {
        let slave = fleet.listening_slave(0, &[])?;
        let script = "/bin/sh :CONF:\ntrap 'echo last; exit 3' TERM; echo first\n\
                      while [ -d \"$PWD\" ]; do sleep 0.02; done\n";
        let master = fleet.master(1, &fleet.conf(script)?, &["--live"])?;
        master.wait_for("vm0: first")?;
        slave.signal(Signal::SIGTERM)?;
        let finished = master.wait()?;
        ensure!(finished.code() == Some(1) && finished.stdout.contains("vm0: last\n"), "{finished:?}");
        ensure!(row(&finished, "vm0")?.contains("exited 3") && !finished.stderr.contains("broke"), "{finished:?}");
        ensure!(slave.wait()?.code() == Some(143));
    }
    Ok(())
}

/// The master fetches the output when the task of the other slave has ended.
fn a_slave_that_is_told_to_end_gives_its_output_first() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let script = "/bin/sh :CONF:\nseq 200000; [ $SYNEXEC_NAME = vm0 ] || until [ -e go ]; do sleep 0.02; done\n";
    let output = fleet.control.dir().join("out");
    let options = ["-o", &output.to_string_lossy()[..]];
    let conf = fleet.conf(script)?;
    let master = fleet.master(2, &conf, &options)?;
    slaves[0].wait_for("task ended")?;
    slaves[0].signal(Signal::SIGTERM)?;
    slaves[0].wait_for("the master may still fetch the output")?;
    fs::write(fleet.guests[1].dir().join("go"), "")?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let lines: Vec<_> = (1..=200_000).map(|number: u32| number.to_string()).collect();
    let expected = lines.join("\n") + "\n";
    for guest in &fleet.guests {
        ensure!(fs::read_to_string(guest.dir().join("synexec.out"))? == expected);
    }
    for name in fs::read_dir(&output)? {
        ensure!(fs::read_to_string(name?.path())? == expected);
    }
    ensure!(fs::read_dir(&output)?.count() == 2 && slaves[0].wait()?.code() == Some(143));

    // The user does not have to wait.
    fs::remove_file(fleet.guests[1].dir().join("go"))?;
    let slave = fleet.listening_slave(0, &[])?;
    let master = fleet.master(2, &conf, &[])?;
    slave.wait_for("task ended")?;
    slave.signal(Signal::SIGTERM)?;
    slave.wait_for("the master may still fetch the output")?;
    slave.signal(Signal::SIGTERM)?;
    ensure!(slave.wait()?.code() == Some(143));
    fs::write(fleet.guests[1].dir().join("go"), "")?;
    ensure!(master.wait()?.code() == Some(0));
    Ok(())
}

fn a_task_that_ends_at_once_is_never_lost() -> Result<()> {
    let fleet = Fleet::new(8)?;
    let _slaves = fleet.slaves(&[])?;
    for _ in 0..20 {
        fleet.serves_a_session()?;
    }
    Ok(())
}

fn the_end_is_told_early_errors_first() -> Result<()> {
    let fleet = Fleet::new(0)?;
    let conf = fleet.conf("/bin/true\n")?;
    let directory = fleet.control.dir().to_owned();
    let no_path = directory.join("no-path.conf");
    std::fs::write(&no_path, "true\n")?;
    let cases: [(&std::path::Path, &[&str], i32, &str); 4] = [
        (&directory, &[], 2, "it is a directory"),
        (&directory.join("missing"), &[], 2, "No such file"),
        (&no_path, &[], 2, "as in `/bin/true`"),
        (&conf, &["-t", "no.such.host.invalid"], 2, "no address for the target no.such.host.invalid: "),
    ];
    for (conf, options, status, message) in cases {
        let finished = fleet.master(1, conf, options)?.wait()?;
        ensure!(finished.code() == Some(status) && finished.stderr.contains(message), "{options:?}: {finished:?}");
    }
    let first = fleet.master(1, &conf, &[])?;
    first.wait_for("waiting")?;
    let second = fleet.master(1, &conf, &[])?.wait()?;
    ensure!(second.code() == Some(7) && second.stderr.contains("cannot listen on TCP port 5165"), "{second:?}");
    Ok(())
}

fn the_master_waits_for_the_whole_process_group() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let script = "/bin/sh :CONF:\n(trap '' TERM; echo ready; exec sleep 1000) & echo $! pid\nwait\n";
    let master = fleet.master(1, &fleet.conf(script)?, &[])?;
    fleet.wait_for_output(0, "ready")?;
    let output = fleet.wait_for_output(0, " pid")?;
    let stubborn = output.split_whitespace().find(|word| word.parse::<u32>().is_ok()).unwrap_or_default();
    master.signal(Signal::SIGINT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130) && row(&finished, "vm0")?.contains("killed by SIGTERM"), "{finished:?}");
    slave.wait_for("session over")?;
    let said = slave.output_so_far();
    ensure!(said.find("killing it").is_some_and(|killing| said[killing..].contains("session over")), "{said}");
    eventually("the end of the killed", || (!is_alive(stubborn)).then_some(()))?;
    Ok(())
}

fn a_hangup_stops_the_task_too() -> Result<()> {
    let fleet = Fleet::new(1)?;
    // The parent of the tests may ignore the signal.
    let slave = fleet.slave_through(0, &["--default-signal=HUP"], &[])?;
    let master = fleet.master(1, &fleet.conf(SLEEP)?, &[])?;
    let child = fleet.wait_for_output(0, "\n")?;
    slave.signal(Signal::SIGHUP)?;
    ensure!(slave.wait()?.code() == Some(143));
    ensure!(!is_alive(child.trim()), "the task went on");
    ensure!(master.wait()?.code() == Some(1));
    Ok(())
}
