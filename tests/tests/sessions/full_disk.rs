//! `-o` into a directory without room for all outputs.

use std::fs;

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, left_in, row, wait_until_listening};
use synexec_tests::lab::SmallDisk;
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process};
use synexec_tests::programs;
use synexec_tests::report::{self, only_round};

pub const TESTS: &[(&str, Test)] = &[
    ("full_disk::outputs_that_fit_are_whole_and_the_rest_is_told", outputs_that_fit_are_whole_and_the_rest_is_told),
    ("full_disk::a_report_that_does_not_fit_leaves_the_old_one", a_report_that_does_not_fit_leaves_the_old_one),
    ("full_disk::outputs_that_cannot_be_gathered_are_told", outputs_that_cannot_be_gathered_are_told),
    ("full_disk::a_task_that_does_not_notice_has_a_remark", a_task_that_does_not_notice_has_a_remark),
    ("full_disk::a_limit_of_file_sizes_has_a_remark_too", a_limit_of_file_sizes_has_a_remark_too),
    ("full_disk::a_limit_of_file_sizes_is_told_for_each_stream", a_limit_of_file_sizes_is_told_for_each_stream),
    ("full_disk::a_slave_without_room_for_the_output_declines", a_slave_without_room_for_the_output_declines),
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

/// The task of a slave with a disk of 8 MiB writes more than that, and exits with 0 all the same.
fn a_task_that_does_not_notice_has_a_remark() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let disk = SmallDisk::wrapper(fleet.guests[0].dir());
    let words: Vec<_> = disk.iter().map(String::as_str).collect();
    let slaves = [fleet.slave_through(0, &words, &[])?, fleet.slave(1, &[])?];
    slaves.iter().try_for_each(wait_until_listening)?;
    let output = SmallDisk::of(&slaves[0], fleet.guests[0].dir()).dir().join("synexec.out");
    let conf = "/bin/sh :CONF:\n[ $SYNEXEC_NAME = vm1 ] || head -c 12000000 /dev/zero\nexit 0\n";
    for (options, status) in [(&[][..], 0), (&["-o", "out", "--force"], 5)] {
        let finished = fleet.master(2, &fleet.conf(conf)?, options)?.wait()?;
        let remark = "the disk was full: the end of the output may be missing";
        ensure!(finished.code() == Some(status) && row(&finished, "vm0")?.contains("exited 0"), "{finished:?}");
        ensure!(row(&finished, "vm0")?.contains(remark) && !row(&finished, "vm1")?.contains(remark), "{finished:?}");
        ensure!(finished.stderr.contains(&format!("vm0 (10.77.0.2): {remark}")), "{finished:?}");
        let round = only_round(&fleet.control)?;
        ensure!(round.slave("vm0")?.all["output_lost"] == "the disk was full", "{round:?}");
        ensure!(round.slave("vm1")?.all["output_lost"].is_null(), "{round:?}");
        // The output fills the disk until the user removes it.
        let finished = fleet.master(2, &fleet.conf(conf)?, options)?.wait()?;
        let advice = "remove the output of the last task, ";
        ensure!(finished.code() == Some(4) && row(&finished, "vm0")?.contains(advice), "{finished:?}");
        fs::remove_file(&output)?;
    }
    Ok(())
}

/// A slave that may write files of 512 KiB, as its tasks may. This is less than the room for an output.
const LIMITED: [&str; 4] = ["sh", "-c", "ulimit -f 1024 && exec \"$@\"", "sh"];

fn a_limit_of_file_sizes_has_a_remark_too() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave_through(0, &LIMITED, &[])?;
    let conf = "/bin/sh :CONF:\nhead -c 600000 /dev/zero\nexit 0\n";
    let finished = fleet.master(1, &fleet.conf(conf)?, &["--gather"])?.wait()?;
    let remark = "(RLIMIT_FSIZE): the end of the output may be missing";
    ensure!(finished.code() == Some(5) && row(&finished, "vm0")?.contains(remark), "{:?}", finished.stderr);
    fleet.serves_a_session()?;
    Ok(())
}

fn a_limit_of_file_sizes_is_told_for_each_stream() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave_through(0, &LIMITED, &[])?;
    let reached = |stream: &str| format!("the task's {stream} reached the limit of file sizes (RLIMIT_FSIZE)");
    let both = format!("{}; {}", reached("output"), reached("standard error"));
    for (script, lost) in [
        ("echo short; head -c 600000 /dev/zero >&2", reached("standard error")),
        ("echo short >&2; head -c 600000 /dev/zero", reached("output")),
        ("head -c 600000 /dev/zero; head -c 600000 /dev/zero >&2", both),
    ] {
        let conf = fleet.conf(format!("/bin/sh :CONF:\n{script}\nexit 0\n"))?;
        let finished = fleet.master(1, &conf, &["--separate", "-o", "out", "--force"])?.wait()?;
        let told = row(&finished, "vm0")?;
        let remark = format!("{lost}: the end may be missing");
        ensure!(finished.code() == Some(5) && told.ends_with(&remark), "{told}: {finished:?}");
        ensure!(told.matches("missing").count() == 1, "{told}");
        ensure!(finished.stderr.contains(&format!("vm0 (10.77.0.2): {remark}")), "{finished:?}");
        let round = only_round(&fleet.control)?;
        ensure!(round.slave("vm0")?.all["output_lost"] == lost, "{round:?}");
    }
    Ok(())
}

fn a_slave_without_room_for_the_output_declines() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let wrapper = SmallDisk::wrapper(fleet.guests[0].dir());
    let words: Vec<_> = wrapper.iter().map(String::as_str).collect();
    let slave = fleet.slave_through(0, &words, &[])?;
    wait_until_listening(&slave)?;
    let disk = SmallDisk::of(&slave, fleet.guests[0].dir());
    disk.fill()?;
    let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, &[])?.wait()?;
    let told = row(&finished, "vm0")?;
    ensure!(finished.code() == Some(4) && told.contains("cannot reserve 1 MiB for the output"), "{finished:?}");
    disk.clear()?;
    fleet.serves_a_session()?;
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
