//! `-o` into a directory without room for all outputs.

use std::fs;

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, left_in, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process};
use synexec_tests::programs;
use synexec_tests::report::{self, only_round};

pub const TESTS: &[(&str, Test)] = &[
    ("full_disk::outputs_that_fit_are_whole_and_the_rest_is_told", outputs_that_fit_are_whole_and_the_rest_is_told),
    ("full_disk::a_report_that_does_not_fit_leaves_the_old_one", a_report_that_does_not_fit_leaves_the_old_one),
    ("full_disk::outputs_that_cannot_be_gathered_are_told", outputs_that_cannot_be_gathered_are_told),
];

/// A task with two outputs that fit, and one that does not.
const SIZES: &str =
    "/bin/sh :CONF:\nif [ $SYNEXEC_NAME = vm2 ]; then head -c 4194304 /dev/zero; else echo $SYNEXEC_NAME; fi\n";

/// Runs the program `$0` with 1 MiB of room in `out`, and copies the remaining files. All processes end with the
/// child.
const SMALL_DISK: [&str; 8] = [
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--",
    "sh",
    "-c",
    "mkdir out kept && mount -t tmpfs -o size=1m none out && cp -a in/. out || exit 99\n\
     TMPDIR=$PWD/out \"$0\" \"$@\"; status=$?\n\
     cp -a out/. kept && exit $status",
];

/// A session of three slaves with little room. The output of the third slave comes last.
fn run_on_small_disk(fleet: &Fleet, options: &[&str]) -> Result<Finished> {
    let _slaves = fleet.slaves(&[])?;
    fleet.control.limit_rate("4mbit")?;
    fs::create_dir_all(fleet.control.dir().join("in"))?;
    let mut command = fleet.control.command("unshare");
    command.args(SMALL_DISK).arg(programs::master()).args(["-v", "--json"]).arg(report::file(&fleet.control));
    let finished = Process::spawn(command.args(options).arg("3").arg(fleet.conf(SIZES)?))?.wait()?;
    ensure!(finished.code() != Some(99), "no tmpfs: {finished:?}");
    Ok(finished)
}

fn all_rows_are_there(finished: &Finished) -> Result<()> {
    for name in ["vm0", "vm1", "vm2"] {
        ensure!(row(finished, name)?.contains("exited 0"), "{finished:?}");
    }
    Ok(())
}

fn outputs_that_fit_are_whole_and_the_rest_is_told() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let finished = run_on_small_disk(&fleet, &["-o", "out"])?;
    ensure!(finished.code() == Some(7), "{finished:?}");
    all_rows_are_there(&finished)?;
    let kept_there = fleet.guests[2].dir().join("synexec.out").display().to_string();
    ensure!(row(&finished, "vm2")?.contains(&kept_there), "{finished:?}");
    ensure!(finished.stderr.contains("outputs cannot be stored any more"), "{finished:?}");
    let round = only_round(&fleet.control)?;
    let kept = fleet.control.dir().join("kept");
    for name in ["vm0", "vm1"] {
        let slave = round.slave(name)?;
        let file = kept.join(format!("{}-{name}.out", slave.all["rank"]));
        ensure!(fs::read_to_string(&file)? == format!("{name}\n"), "{finished:?}");
        ensure!(slave.all["output"]["state"] == "stored", "{slave:?}");
    }
    ensure!(left_in(&kept)?.len() == 2, "{:?}", left_in(&kept)?);
    let failed = &round.slave("vm2")?.all["output"];
    ensure!(failed["state"] == "failed" && failed["why"].to_string().contains("No space left"), "{failed}");
    Ok(())
}

fn outputs_that_cannot_be_gathered_are_told() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let finished = run_on_small_disk(&fleet, &["--gather"])?;
    ensure!(finished.code() == Some(7), "{finished:?}");
    all_rows_are_there(&finished)?;
    let lines: Vec<_> = finished.stdout.lines().collect();
    ensure!(lines.contains(&"--- vm0") && lines.contains(&"| vm0") && lines.contains(&"| vm1"), "{finished:?}");
    ensure!(lines.iter().any(|line| line.starts_with("--- vm2: no output: ")), "{finished:?}");
    let left = left_in(&fleet.control.dir().join("kept"))?;
    ensure!(left.is_empty(), "temporary files: {left:?}");
    Ok(())
}

fn a_report_that_does_not_fit_leaves_the_old_one() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let before = fleet.control.dir().join("in");
    fs::create_dir(&before)?;
    fs::write(before.join("large"), vec![0; (1 << 20) - 4096])?;
    fs::write(before.join("table.csv"), "old")?;
    let finished = run_on_small_disk(&fleet, &["--csv", "out/table.csv"])?;
    ensure!(finished.code() == Some(7) && finished.stderr.contains("out/table.csv: "), "{finished:?}");
    all_rows_are_there(&finished)?;
    let kept = fleet.control.dir().join("kept");
    ensure!(fs::read_to_string(kept.join("table.csv"))? == "old", "{finished:?}");
    ensure!(left_in(&kept)? == ["large", "table.csv"], "{:?}", left_in(&kept)?);
    ensure!(only_round(&fleet.control)?.slaves.len() == 3, "the other report: {finished:?}");
    Ok(())
}
