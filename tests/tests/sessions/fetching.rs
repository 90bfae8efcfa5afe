//! Events while outputs are fetched.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, left_in, row, rows};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};
use synexec_tests::report::only_round;

pub const TESTS: &[(&str, Test)] = &[
    ("fetching::an_interrupt_gives_up_the_remaining_outputs", an_interrupt_gives_up_the_remaining_outputs),
    ("fetching::a_slave_that_falls_silent_is_waited_for_and_given_up", a_slave_that_falls_silent),
    ("fetching::writes_after_the_task_are_not_its_output", writes_after_the_task),
    ("fetching::no_write_is_lost_when_the_task_ends", no_write_is_lost_when_the_task_ends),
    ("fetching::an_output_lost_in_one_round_is_the_end_of_them", an_output_lost_in_one_round),
];

/// A task with an output that takes seconds to fetch at [`NARROW`]. On one guest the output is small.
const MUCH: &str = "/bin/sh :CONF:\nif [ $SYNEXEC_NAME = vm1 ]; then echo little; else head -c 8388608 /dev/zero; fi\n";
const NARROW: &str = "8mbit";
const WIDE: &str = "1gbit";

/// A session of two slaves in which the large output is under way and the small one is complete.
fn fetch(fleet: &Fleet, options: &[&str]) -> Result<(Vec<Process>, Process)> {
    let slaves = fleet.slaves(&[])?;
    fleet.control.limit_rate(NARROW)?;
    let master = fleet.master(2, &fleet.conf(MUCH)?, &[&["-o", "out", "--force"], options].concat())?;
    master.wait_for("vm1 (10.77.0.3): output fetched")?;
    Ok((slaves, master))
}

/// The names of files, without the ranks.
fn files(fleet: &Fleet) -> Result<Vec<String>> {
    let names = left_in(&fleet.control.dir().join("out"))?;
    Ok(names.iter().map(|name| name.to_string_lossy().chars().skip(2).collect()).collect())
}

fn an_interrupt_gives_up_the_remaining_outputs() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let (_slaves, master) = fetch(&fleet, &[])?;
    master.signal(Signal::SIGINT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130) && rows(&finished, "exited").len() == 2, "{finished:?}");
    let kept = fleet.guests[0].dir().join("synexec.out").display().to_string();
    ensure!(row(&finished, "vm0")?.contains(&kept) && finished.stderr.contains(&kept), "{finished:?}");
    ensure!(files(&fleet)? == ["vm1.out"], "{:?}", files(&fleet)?);
    fleet.serves_a_session()?;
    Ok(())
}

/// A slave that is away for a short time loses nothing.
fn a_slave_that_falls_silent() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let (slaves, master) = fetch(&fleet, &[])?;
    slaves[0].signal(Signal::SIGSTOP)?;
    master.wait_for("vm0 (10.77.0.2) is late")?;
    slaves[0].signal(Signal::SIGCONT)?;
    fleet.control.limit_rate(WIDE)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    ensure!(only_round(&fleet.control)?.slave("vm0")?.all["output"]["bytes"] == 8 << 20, "{finished:?}");
    drop(slaves);

    let (slaves, master) = fetch(&fleet, &["--lost-after", "3"])?;
    slaves[0].signal(Signal::SIGSTOP)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5) && row(&finished, "vm0")?.contains("exited 0"), "{finished:?}");
    let output = only_round(&fleet.control)?.slave("vm0")?.all["output"].clone();
    ensure!(output["state"] == "failed" && output["bytes"] == 8 << 20, "{output}");
    slaves[0].signal(Signal::SIGCONT)?;
    fleet.serves_a_session()?;
    Ok(())
}

/// A process that the task has left behind goes on writing.
fn writes_after_the_task() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let conf = fleet.conf(
        "/bin/sh :CONF:\n(while [ -d \"$PWD\" ]; do echo more; done) &\necho its own\n\
                  until grep -q -m 1 more synexec.out; do sleep 0.01; done\n",
    )?;
    for options in [&["-o", "out"][..], &["--live"]] {
        let finished = fleet.master(1, &conf, options)?.wait()?;
        ensure!(finished.code() == Some(0), "{options:?}: {:?}", finished.stderr);
        let output = only_round(&fleet.control)?.slave("vm0")?.all["output"].clone();
        let bytes = output["bytes"].as_u64().context("no length")?;
        let kept = fs::metadata(fleet.guests[0].dir().join("synexec.out"))?;
        ensure!(output["blake3"].is_string() && bytes > 0 && bytes <= kept.len(), "{output}");
        let lines = finished.stdout.lines().filter(|line| *line == "vm0: its own").count();
        ensure!(options.len() == 2 || lines == 1, "{lines} of {bytes} bytes");
    }
    Ok(())
}

/// A process that the task leaves behind writes while the task ends.
fn no_write_is_lost_when_the_task_ends() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let counting = fleet.conf(
        "/bin/sh :CONF:\n\
         seq 20000000 &\n\
         until [ $(stat -Lc %s /proc/$$/fd/1) -gt 100000 ]; do :; done\n",
    )?;
    let finished = fleet.master(1, &counting, &["-o", "out"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let output = fs::read_to_string(fleet.control.dir().join("out/0-vm0.out"))?;
    let (whole_lines, _) = output.rsplit_once('\n').context("a line")?;
    let numbers = whole_lines.lines().map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let gap = numbers.iter().zip(1..).find(|(number, expected)| *number != expected);
    ensure!(gap.is_none(), "{gap:?}");
    Ok(())
}

fn an_output_lost_in_one_round() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let (slaves, master) = fetch(&fleet, &["--rounds", "3"])?;
    slaves[0].signal(Signal::SIGKILL)?;
    let finished = master.wait()?;
    ensure!(
        finished.code() == Some(5) && finished.stderr.contains("the remaining 2 rounds are not run"),
        "{finished:?}"
    );
    only_round(&fleet.control)?;
    let is_free = || slaves[1].output_so_far().contains("session over").then_some(());
    eventually("the other slave to be free", is_free)
}
