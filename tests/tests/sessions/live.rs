//! `--live`: outputs line by line while the tasks run.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process};
use synexec_tests::programs;
use synexec_tests::report::{self, only_round};

pub const TESTS: &[(&str, Test)] = &[
    ("live::lines_come_while_the_task_runs", lines_come_while_the_task_runs),
    ("live::progress_written_with_cr_comes_too", progress_written_with_cr_comes_too),
    ("live::lines_of_many_are_whole_and_in_order", lines_of_many_are_whole_and_in_order),
    ("live::each_round_is_followed", each_round_is_followed),
    ("live::a_reader_that_has_gone_away_hurts_nobody", a_reader_that_has_gone_away_hurts_nobody),
    (
        "live::a_reader_that_pauses_holds_up_no_more_than_the_lines",
        a_reader_that_pauses_holds_up_no_more_than_the_lines,
    ),
    ("live::a_slave_killed_while_its_lines_are_shown", a_slave_killed_while_its_lines_are_shown),
];

/// A task that prints a line, waits until a file appears in its guest's directory, and prints more.
fn until_go(more: &str) -> String {
    format!("/bin/sh :CONF:\necho first\nwhile [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\n{more}\n")
}

fn let_go(fleet: &Fleet) -> Result<()> {
    Ok(fleet.guests.iter().try_for_each(|guest| fs::write(guest.dir().join("go"), ""))?)
}

/// The lines before the sentence.
fn output_lines(finished: &Finished) -> Vec<&str> {
    finished.stdout.lines().take_while(|line| !line.is_empty()).collect()
}

fn lines_come_while_the_task_runs() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(until_go("echo\nprintf last"))?, &["--live"])?;
    master.wait_for("vm0: first")?;
    master.wait_for("vm1: first")?;
    ensure!(!master.output_so_far().contains("exited"), "{}", master.output_so_far());
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let mut lines = output_lines(&finished);
    lines.sort_unstable();
    let expected = ["vm0: ", "vm0: first", "vm0: last", "vm1: ", "vm1: first", "vm1: last"];
    ensure!(lines == expected, "{lines:?} of {finished:?}");
    ensure!(row(&finished, "vm0")?.contains("exited 0") && row(&finished, "vm1")?.contains("exited 0"));
    Ok(())
}

fn progress_written_with_cr_comes_too() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let script = until_go("printf '100%%\\r\\n'").replace("echo first", "printf '\\r10%%\\r20%%\\r'");
    let master = fleet.master(1, &fleet.conf(script)?, &["--live"])?;
    master.wait_for("vm0: 20%")?;
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(output_lines(&finished) == ["vm0: 10%", "vm0: 20%", "vm0: 100%"], "{finished:?}");
    Ok(())
}

fn lines_of_many_are_whole_and_in_order() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let script = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); printf '%s ' $i of $SYNEXEC_NAME; echo; done";
    let finished = fleet.master(3, &fleet.conf(format!("/bin/sh :CONF:\n{script}\n"))?, &["--live"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let lines = output_lines(&finished);
    ensure!(lines.len() == 6000, "{} lines", lines.len());
    for name in ["vm0", "vm1", "vm2"] {
        let its: Vec<_> = lines.iter().filter(|line| line.starts_with(name)).collect();
        let expected = (1..=2000).map(|number| format!("{name}: {number} of {name} "));
        ensure!(its.into_iter().copied().eq(expected), "of {name}: {lines:?}");
    }
    Ok(())
}

fn each_round_is_followed() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\nprintf 'round %s' $SYNEXEC_ROUND\n")?;
    let finished = fleet.master(2, &conf, &["--live", "--rounds", "3"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    for name in ["vm0", "vm1"] {
        let its: Vec<_> = output_lines(&finished).into_iter().filter(|line| line.starts_with(name)).collect();
        ensure!(its == [1, 2, 3].map(|round| format!("{name}: round {round}")), "{finished:?}");
    }
    Ok(())
}

/// A master whose stdout is a pipe to a shell's commands. The master ends with the shell.
fn piped_to(fleet: &Fleet, reader: &str, options: &[&str], conf: String) -> Result<Process> {
    let piped = format!("{{ \"$0\" \"$@\"; echo status $? >&2; }} | {{ {reader}; }}");
    let mut command = fleet.control.command("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--", "sh", "-c", &piped]).arg(programs::master());
    command.arg("--json").arg(report::file(&fleet.control)).arg("--live").args(options).arg("1");
    Process::spawn(command.arg(fleet.conf(conf)?))
}

/// The master's stdout is a pipe to a program that reads one line and ends.
fn a_reader_that_has_gone_away_hurts_nobody() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let master = piped_to(&fleet, "head -n 1; echo gone >&2", &[], until_go("seq 20000"))?;
    master.wait_for("gone")?;
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.stderr.contains("status 0") && finished.stdout == "vm0: first\n", "{finished:?}");
    let round = only_round(&fleet.control)?;
    let slave = round.slaves.first().context("no slave")?;
    ensure!(slave.end == "exited 0" && fleet.output(0)?.ends_with("20000\n"), "{round:?}");
    fleet.serves_a_session()?;
    Ok(())
}

/// An output larger than pipe, windows and sockets together, and twice the time after which a silent slave is lost.
fn a_reader_that_pauses_holds_up_no_more_than_the_lines() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let paused = "until [ -e read ] || [ ! -d \"$PWD\" ]; do sleep 0.05; done; cat";
    let conf = "/bin/sh :CONF:\nseq 100000\nsleep 8\n".to_owned();
    let master = piped_to(&fleet, paused, &["--lost-after", "4"], conf)?;
    slave.wait_for("task ended")?;
    master.wait_for("fetching the outputs")?;
    fs::write(fleet.control.dir().join("read"), "")?;
    let finished = master.wait()?;
    ensure!(finished.stderr.contains("status 0"), "{}", finished.stderr);
    let lines = output_lines(&finished);
    ensure!(lines.len() == 100_000 && lines.last() == Some(&"vm0: 100000"), "{} lines", lines.len());
    Ok(())
}

fn a_slave_killed_while_its_lines_are_shown() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(until_go("echo more; printf last"))?, &["--live"])?;
    master.wait_for("vm0: first")?;
    master.wait_for("vm1: first")?;
    slaves[0].signal(Signal::SIGKILL)?;
    master.wait_for("vm0 (10.77.0.2) is lost")?;
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5), "{finished:?}");
    let mut lines = output_lines(&finished);
    lines.sort_unstable();
    ensure!(lines == ["vm0: first", "vm1: first", "vm1: last", "vm1: more"], "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("lost after") && row(&finished, "vm1")?.contains("exited 0"));
    Ok(())
}
