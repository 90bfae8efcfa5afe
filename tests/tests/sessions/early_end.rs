//! `--timeout`, `--quorum`, `--on-lost` and `--on-failure`: sessions that begin with fewer slaves or end earlier.

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use synexec_tests::fleet::{Fleet, left_in, row, rows};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process};
use synexec_tests::programs;
use synexec_tests::report;

use crate::schema;

pub const TESTS: &[(&str, Test)] = &[
    ("early_end::a_task_has_its_time_and_no_more", a_task_has_its_time_and_no_more),
    ("early_end::output_written_before_the_timeout_is_fetched", output_written_before_the_timeout_is_fetched),
    ("early_end::a_stubborn_task_has_timed_out_too", a_stubborn_task_has_timed_out_too),
    ("early_end::a_quorum_is_enough_when_the_wait_is_over", a_quorum_is_enough),
    ("early_end::less_than_a_quorum_is_not", less_than_a_quorum_is_not),
    ("early_end::a_quorum_that_cannot_be_is_told_at_once", a_quorum_that_cannot_be),
    ("early_end::a_lost_slave_stops_the_others_with_on_lost_stop", a_lost_slave_stops_the_others),
    ("early_end::a_failed_task_stops_the_others_with_on_failure_stop", a_failed_task_stops_the_others),
    ("early_end::an_interrupt_does_not_wait_for_one_that_has_reported_and_left", one_that_has_reported_and_left),
];

/// A task that runs for ever on `vm0` and for a short time on other guests.
const LONG_ON_VM0: &str =
    "/bin/sh :CONF:\necho begun; [ $SYNEXEC_NAME != vm0 ] || while [ -d \"$PWD\" ]; do sleep 0.05; done\n";

/// The report of a session, checked against the schema.
fn checked(fleet: &Fleet, finished: &Finished, verdict: &str) -> Result<Value> {
    let report = report::read(&fleet.control)?;
    schema::check(&report)?;
    ensure!(report["verdict"] == verdict && report["exit_status"] == finished.code().context("killed")?, "{report:#}");
    Ok(report)
}

fn kind<'a>(report: &'a Value, name: &str) -> Result<&'a str> {
    let slaves = report["rounds"][0]["slaves"].as_array().context("no slaves")?;
    let slave = slaves.iter().find(|slave| slave["name"] == name).with_context(|| format!("no {name}"))?;
    slave["outcome"]["kind"].as_str().with_context(|| format!("{slave:#}"))
}

fn a_task_has_its_time_and_no_more() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(LONG_ON_VM0)?, &["--timeout", "3"])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(1), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("timed out after 3 s"), "{finished:?}");
    ensure!(row(&finished, "vm0")?.trim_start().starts_with('!'), "it has failed: {finished:?}");
    ensure!(row(&finished, "vm1")?.contains("exited 0"), "{finished:?}");
    ensure!(finished.stdout.starts_with("1 of 2 slaves succeeded"), "{finished:?}");
    ensure!(finished.stderr.contains("is over; stopping the task on"), "{finished:?}");
    ensure!(finished.stderr.contains("vm0 (10.77.0.2) timed out; its task ended after "), "{finished:?}");
    let report = checked(&fleet, &finished, "task_failed")?;
    ensure!((kind(&report, "vm0")?, kind(&report, "vm1")?) == ("timed_out", "exited"));
    ensure!(report["asked"]["timeout_ns"] == 3_000_000_000_u64 && report["asked"]["quorum"].is_null(), "{report:#}");
    slaves[0].wait_for("task ended: killed by SIGTERM")?;
    fleet.serves_a_session()?;
    Ok(())
}

fn output_written_before_the_timeout_is_fetched() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(2, &fleet.conf(LONG_ON_VM0)?, &["--timeout", "3", "--gather"])?.wait()?;
    ensure!(finished.code() == Some(1), "{finished:?}");
    ensure!(
        finished.stdout.contains("vm[0-1]") && finished.stdout.lines().filter(|line| *line == "| begun").count() == 1,
        "{finished:?}"
    );
    Ok(())
}

fn a_stubborn_task_has_timed_out_too() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let conf = "/bin/sh :CONF:\ntrap '' TERM; while [ -d \"$PWD\" ]; do sleep 0.05; done\n";
    let finished = fleet.master(1, &fleet.conf(conf)?, &["--timeout", "3", "--rounds", "2"])?.wait()?;
    ensure!(finished.code() == Some(1), "{finished:?}");
    slave.wait_for_count("task ended: killed by SIGKILL", 2)?;
    let report = checked(&fleet, &finished, "task_failed")?;
    ensure!(report["rounds"].as_array().is_some_and(|rounds| rounds.len() == 2), "each round has its time: {report:#}");
    Ok(())
}

const TELL: &str = "/bin/sh :CONF:\necho $SYNEXEC_RANK of $SYNEXEC_SLAVES\n";

fn a_quorum_is_enough() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(4, &fleet.conf(TELL)?, &["--quorum", "2", "--wait", "5"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    ensure!(finished.stdout.starts_with("Only 2 of 4 slaves took part. 2 of 2 slaves succeeded"), "{finished:?}");
    ensure!(finished.stderr.contains("the wait is over; continuing with 2 of 4 slaves"), "{finished:?}");
    let mut told = [fleet.output(0)?, fleet.output(1)?];
    told.sort();
    ensure!(told == ["0 of 2\n", "1 of 2\n"], "{told:?}");
    let report = checked(&fleet, &finished, "succeeded")?;
    ensure!(report["asked"]["quorum"] == 2 && report["asked"]["timeout_ns"].is_null(), "{report:#}");
    Ok(())
}

fn less_than_a_quorum_is_not() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.listening_slave(0, &[])?;
    let finished = fleet.master(4, &fleet.conf(TELL)?, &["--quorum", "2", "--wait", "5"])?.wait()?;
    ensure!(finished.code() == Some(3) && !fleet.has_run(0), "{finished:?}");
    ensure!(finished.stderr.contains("1 of 4"), "{finished:?}");
    checked(&fleet, &finished, "not_enough_slaves").map(drop)
}

/// The result of a master with these options for two slaves.
fn master_with(fleet: &Fleet, options: &[&str]) -> Result<Finished> {
    let mut command = fleet.control.command(programs::master());
    Process::spawn(command.args(options).args(["2", "job.conf"]))?.wait()
}

fn a_quorum_that_cannot_be() -> Result<()> {
    let fleet = Fleet::new(0)?;
    fleet.conf("/bin/true\n")?;
    for (options, why) in [
        (&["--quorum", "1"][..], "--wait"),
        (&["--quorum", "3", "--wait", "1"], "3"),
        (&["--quorum", "0", "--wait", "1"], "0"),
        (&["--timeout", "0"], "0"),
        (&["--on-lost", "panic"], "stop, continue"),
        (&["--on-failure", "panic"], "stop, continue"),
    ] {
        let finished = master_with(&fleet, options)?;
        ensure!(finished.code() == Some(2) && finished.stderr.contains(why), "{options:?} {finished:?}");
    }
    Ok(())
}

/// Kills one of three slaves while their tasks run.
fn one_lost_of_three(fleet: &Fleet, on_lost: &str) -> Result<Finished> {
    let slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\necho begun; while [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\n")?;
    let master = fleet.master(3, &conf, &["--reconnect", "1", "--on-lost", on_lost])?;
    (0..3).try_for_each(|guest| fleet.wait_for_output(guest, "begun").map(drop))?;
    slaves[1].signal(Signal::SIGKILL)?;
    master.wait_for("vm1 (10.77.0.3) is lost")?;
    if on_lost == "continue" {
        fleet.guests.iter().try_for_each(|guest| std::fs::write(guest.dir().join("go"), ""))?;
    }
    master.wait()
}

fn a_lost_slave_stops_the_others() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let finished = one_lost_of_three(&fleet, "stop")?;
    ensure!(finished.code() == Some(5), "{finished:?}");
    ensure!(rows(&finished, "killed").len() == 2 && rows(&finished, "lost").len() == 1, "{finished:?}");
    ensure!(finished.stderr.contains("stopping the task on 2 slaves after the loss of vm1"), "{finished:?}");
    ensure!(row(&finished, "vm2")?.contains("its task was stopped after the loss of vm1"), "{finished:?}");
    checked(&fleet, &finished, "lost")?;
    fleet.forget_outputs()?;
    // The first name of this value still has its meaning.
    let finished = one_lost_of_three(&fleet, "abort")?;
    ensure!(finished.code() == Some(5) && rows(&finished, "killed").len() == 2, "{finished:?}");
    fleet.forget_outputs()?;
    let finished = one_lost_of_three(&fleet, "continue")?;
    ensure!(finished.code() == Some(5) && rows(&finished, "exited").len() == 2, "{finished:?}");
    Ok(())
}

/// A task that fails on `vm1` when a file appears there, and runs for ever on other guests.
const FAILS_ON_VM1: &str = "/bin/sh :CONF:\necho begun; while [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\n\
                            [ $SYNEXEC_NAME != vm1 ]\n";

fn a_failed_task_stops_the_others() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    let options = ["--on-failure", "stop", "--rounds", "3", "-o", "out"];
    let master = fleet.master(3, &fleet.conf(FAILS_ON_VM1)?, &options)?;
    (0..3).try_for_each(|guest| fleet.wait_for_output(guest, "begun").map(drop))?;
    std::fs::write(fleet.guests[1].dir().join("go"), "")?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(1) && rows(&finished, "killed").len() == 2, "{finished:?}");
    for told in ["stopping the task on 2 slaves after the failure of vm1", "the remaining 2 rounds are not run"] {
        ensure!(finished.stderr.contains(told), "{told}: {finished:?}");
    }
    ensure!(row(&finished, "vm0")?.contains("its task was stopped after the failure of vm1"), "{finished:?}");
    let report = checked(&fleet, &finished, "task_failed")?;
    ensure!(kind(&report, "vm1")? == "exited" && kind(&report, "vm2")? == "killed", "{report:#}");
    // The outputs of the stopped tasks are fetched.
    let fetched = std::fs::read_to_string(fleet.control.dir().join("out/round-1/2-vm2.out"))?;
    ensure!(fetched == "begun\n", "{fetched:?}");
    fleet.serves_a_session()?;
    Ok(())
}

/// The task on `vm1` takes five seconds to stop. The slave on `vm0` is killed meanwhile.
fn one_that_has_reported_and_left() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let stubborn = "/bin/sh :CONF:\n[ $SYNEXEC_NAME = vm0 ] || trap '' TERM\n\
        echo begun; while [ -d \"$PWD\" ]; do sleep 0.05; done\n";
    let master = fleet.master(2, &fleet.conf(stubborn)?, &["-o", "out", "--reconnect", "3600"])?;
    (0..2).try_for_each(|guest| fleet.wait_for_output(guest, "begun").map(drop))?;
    master.signal(Signal::SIGINT)?;
    master.wait_for("vm0 (10.77.0.2) killed")?;
    slaves[0].signal(Signal::SIGKILL)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130) && row(&finished, "vm0")?.contains("killed"), "{finished:?}");
    let files = left_in(&fleet.control.dir().join("out"))?;
    ensure!(matches!(&files[..], [file] if file.to_string_lossy().ends_with("vm1.out")), "{files:?} {finished:?}");
    Ok(())
}
