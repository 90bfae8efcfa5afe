//! `--json`, `--csv` and `--html`: the report for other programs and for a browser.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Finished;
use synexec_tests::report;

use crate::schema;

pub const TESTS: &[(&str, Test)] = &[
    ("reports::one_of_a_success_with_outputs_keeps_to_the_schema", of_a_success_with_outputs),
    ("reports::one_of_a_failed_and_a_lost_slave_keeps_to_the_schema", of_a_failed_and_a_lost_slave),
    ("reports::one_of_a_declined_conf_keeps_to_the_schema", of_a_declined_conf),
    ("reports::one_of_too_few_slaves_keeps_to_the_schema", of_too_few_slaves),
    ("reports::one_of_an_interrupted_session_keeps_to_the_schema", of_an_interrupted_session),
    ("reports::one_of_two_rounds_keeps_to_the_schema", of_two_rounds),
    ("reports::one_with_the_ends_of_outputs_keeps_to_the_schema", with_the_ends_of_outputs),
];

/// Runs until a file appears in its guest's directory.
const UNTIL_GO: &str =
    "/bin/sh :CONF:\necho runs; while [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\n[ $SYNEXEC_NAME != vm1 ]\n";

/// The report of a finished session, after the checks that hold for every report.
fn checked(fleet: &Fleet, finished: &Finished, verdict: &str) -> Result<Value> {
    let report = report::read(&fleet.control)?;
    schema::check(&report)?;
    ensure!(report["verdict"] == verdict && report["exit_status"] == finished.code().context("killed")?, "{report:#}");
    let sentence = report["sentence"].as_str().context("no sentence")?;
    ensure!(finished.stdout.lines().any(|line| line == sentence), "{sentence}: {finished:?}");
    ensure!(report["began"].as_str() < report["ended"].as_str(), "{report:#}");
    for round in report["rounds"].as_array().context("no rounds")? {
        let slaves = round["slaves"].as_array().context("no slaves")?;
        ensure!((0_u64..).zip(slaves).all(|(rank, slave)| slave["rank"] == rank), "{report:#}");
        let succeeded = slaves.iter().filter(|slave| slave["outcome"]["succeeded"] == true).count();
        ensure!(round["succeeded"] == succeeded, "{report:#}");
    }
    Ok(report)
}

/// The slaves of the only round, by name.
fn slave<'a>(report: &'a Value, name: &str) -> Result<&'a Value> {
    let slaves = report["rounds"][0]["slaves"].as_array().context("no slaves")?;
    slaves.iter().find(|slave| slave["name"] == name).with_context(|| format!("no {name} in {report:#}"))
}

fn let_go(fleet: &Fleet) -> Result<()> {
    Ok(fleet.guests.iter().try_for_each(|guest| fs::write(guest.dir().join("go"), ""))?)
}

fn of_a_success_with_outputs() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&["-s", "77"])?;
    let options = ["-s", "77", "-o", "out", "--max-skew", "60000000"];
    let finished = fleet.master(2, &fleet.conf("/bin/sh :CONF: a  b\necho $SYNEXEC_NAME\n")?, &options)?.wait()?;
    let report = checked(&fleet, &finished, "succeeded")?;
    ensure!(report["session"] == 77 && report["asked"]["max_skew_ns"] == 60_000_000_000_u64, "{report:#}");
    ensure!(report["conf"]["command_line"] == "/bin/sh :CONF: a b", "{report:#}");
    ensure!(report["conf"]["bytes"] == 39 && report["conf"]["payload_bytes"] == 19, "{report:#}");
    for name in ["vm0", "vm1"] {
        let output = &slave(&report, name)?["output"];
        ensure!(output["state"] == "stored" && output["bytes"] == 4, "{report:#}");
    }
    Ok(())
}

fn of_a_failed_and_a_lost_slave() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(3, &fleet.conf(UNTIL_GO)?, &["-o", "out"])?;
    (0..3).try_for_each(|guest| fleet.wait_for_output(guest, "runs").map(drop))?;
    slaves[2].signal(Signal::SIGKILL)?;
    master.wait_for("vm2 (10.77.0.4) is lost")?;
    let_go(&fleet)?;
    let report = checked(&fleet, &master.wait()?, "lost")?;
    ensure!(slave(&report, "vm0")?["outcome"]["kind"] == "exited", "{report:#}");
    ensure!(slave(&report, "vm1")?["outcome"]["status"] == 1, "{report:#}");
    let lost = slave(&report, "vm2")?;
    ensure!(lost["outcome"]["kind"] == "lost" && lost["usage"].is_null() && lost["stands_out"] == true, "{report:#}");
    Ok(())
}

fn of_a_declined_conf() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    fs::copy("/bin/true", fleet.guests[0].dir().join("only-on-vm0"))?;
    let finished = fleet.master(2, &fleet.conf("./only-on-vm0\n")?, &["-o", "out"])?.wait()?;
    let report = checked(&fleet, &finished, "declined")?;
    ensure!(slave(&report, "vm0")?["outcome"]["kind"] == "cancelled", "{report:#}");
    let declined = &slave(&report, "vm1")?["outcome"];
    ensure!(declined["kind"] == "declined" && declined["text"].to_string().contains("No such file"), "{report:#}");
    Ok(())
}

fn of_too_few_slaves() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let conf = fleet.conf("/bin/true\n")?;
    let finished = fleet.master(2, &conf, &["--wait", "1"])?.wait()?;
    let report = checked(&fleet, &finished, "not_enough_slaves")?;
    ensure!(report["rounds"][0]["slaves"].as_array().is_some_and(Vec::is_empty), "{report:#}");
    let _slave = fleet.listening_slave(0, &[])?;
    let finished = fleet.master(2, &conf, &["--wait", "5"])?.wait()?;
    let report = checked(&fleet, &finished, "not_enough_slaves")?;
    ensure!(slave(&report, "vm0")?["outcome"]["kind"] == "cancelled", "{report:#}");
    Ok(())
}

fn of_an_interrupted_session() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &["--rounds", "2"])?;
    (0..2).try_for_each(|guest| fleet.wait_for_output(guest, "runs").map(drop))?;
    master.signal(Signal::SIGINT)?;
    let report = checked(&fleet, &master.wait()?, "interrupted")?;
    for name in ["vm0", "vm1"] {
        let outcome = &slave(&report, name)?["outcome"];
        ensure!(outcome["kind"] == "killed" && outcome["signal"] == 15, "{report:#}");
    }
    Ok(())
}

fn of_two_rounds() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let finished = fleet.master(2, &fleet.conf("/bin/true\n")?, &["--rounds", "2"])?.wait()?;
    let report = checked(&fleet, &finished, "succeeded")?;
    let numbers: Vec<_> = report["rounds"].as_array().into_iter().flatten().map(|round| &round["round"]).collect();
    ensure!(numbers == [1, 2] && report["asked"]["rounds"] == 2, "{report:#}");
    Ok(())
}

fn with_the_ends_of_outputs() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\n[ $SYNEXEC_NAME = vm0 ] && seq 100000; echo the end\n")?;
    let finished = fleet.master(2, &conf, &["--html", "page.html"])?.wait()?;
    let report = checked(&fleet, &finished, "succeeded")?;
    let (long, short) = (&slave(&report, "vm0")?["output"], &slave(&report, "vm1")?["output"]);
    ensure!(short["tail"] == "the end\n" && short["bytes"] == 8 && short["file"].is_null(), "{report:#}");
    let tail = long["tail"].as_str().context("no tail")?;
    ensure!(tail.ends_with("99999\n100000\nthe end\n") && tail.len() < 10_000, "{report:#}");
    ensure!(long["state"] == "tail" && long["bytes"] == 588_903, "{report:#}");
    Ok(())
}
