//! One session that starts its task many times, and many sessions in a row.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, left_in};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, eventually};
use synexec_tests::report::{Round, only_round, rounds};

pub const TESTS: &[(&str, Test)] = &[
    ("rounds::each_round_has_its_tables_and_its_number", each_round_has_its_tables_and_its_number),
    ("rounds::a_task_that_fails_in_one_round_runs_in_the_next", a_task_that_fails_in_one_round_runs_in_the_next),
    ("rounds::a_slave_lost_in_one_round_is_the_end_of_them", a_slave_lost_in_one_round_is_the_end_of_them),
    ("rounds::a_leftover_of_one_round_writes_to_no_other", a_leftover_of_one_round_writes_to_no_other),
    ("rounds::five_hundred_rounds_are_no_flood", five_hundred_rounds),
    ("rounds::two_hundred_sessions_in_a_row", two_hundred_sessions_in_a_row),
];

/// Checks that the round has all slaves with known starts, and that all tasks ended like this.
fn is_whole(round: &Round, slaves: usize, end: &str) -> Result<()> {
    ensure!(round.slaves.len() == slaves && round.starts() == slaves, "rows are missing: {round:?}");
    ensure!(round.slaves.iter().all(|slave| slave.end == end), "{round:?}");
    Ok(())
}

fn headings(finished: &Finished) -> Vec<&str> {
    finished.stdout.lines().filter(|line| line.starts_with("Round ")).collect()
}

fn each_round_has_its_tables_and_its_number() -> Result<()> {
    let fleet = Fleet::new(8)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\necho $SYNEXEC_ROUND >>rounds\necho round $SYNEXEC_ROUND\n")?;
    let finished = fleet.master(8, &conf, &["--rounds", "20"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let numbers: Vec<_> = (1..=20).map(|round| format!("{round}\n")).collect();
    let is_heading =
        |(number, line): (usize, &&str)| line.starts_with(&format!("Round {number}: 8 of 8 slaves succeeded; skew "));
    let headings = headings(&finished);
    ensure!(headings.len() == 20 && (1..).zip(&headings).all(is_heading), "{finished:?}");
    let rounds = rounds(&fleet.control)?;
    ensure!(rounds.len() == 20, "{finished:?}");
    rounds.iter().try_for_each(|round| is_whole(round, 8, "exited 0"))?;
    let first = finished.stdout.lines().next().context("no report")?;
    ensure!(first.starts_with("All slaves succeeded in 20 of 20 rounds; skew "), "{first}");
    for (guest, host) in fleet.guests.iter().enumerate() {
        ensure!(fs::read_to_string(host.dir().join("rounds"))? == numbers.concat(), "on vm{guest}");
        ensure!(fleet.output(guest)? == "round 20\n", "{}", fleet.output(guest)?);
        let no_more = || left_in(host.dir()).is_ok_and(|left| left.len() == 3).then_some(());
        eventually("the lock and what the tasks wrote to be all that is left", no_more)?;
    }
    Ok(())
}

fn a_task_that_fails_in_one_round_runs_in_the_next() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\necho $SYNEXEC_ROUND >>rounds\n[ $SYNEXEC_ROUND != 2 ]\n")?;
    let finished = fleet.master(2, &conf, &["--rounds", "3"])?.wait()?;
    ensure!(finished.code() == Some(1), "{finished:?}");
    let rounds = rounds(&fleet.control)?;
    ensure!(rounds.len() == 3, "{finished:?}");
    for (round, end) in rounds.iter().zip(["exited 0", "exited 1", "exited 0"]) {
        is_whole(round, 2, end)?;
    }
    ensure!(fs::read_to_string(fleet.guests[1].dir().join("rounds"))? == "1\n2\n3\n");
    Ok(())
}

fn a_slave_lost_in_one_round_is_the_end_of_them() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let slaves = fleet.slaves(&[])?;
    // The payload has an end, so that a killed slave leaves no process for ever if this test fails.
    let wait = "while [ $SYNEXEC_ROUND = 2 ] && [ ! -e go ] && [ -e $SYNEXEC_CONF ]; do sleep 0.05; done";
    let conf = fleet.conf(format!("/bin/sh :CONF:\necho round $SYNEXEC_ROUND\n{wait}\n"))?;
    let master = fleet.master(3, &conf, &["--rounds", "3"])?;
    for guest in 0..3 {
        fleet.wait_for_output(guest, "round 2")?;
    }
    slaves[1].signal(Signal::SIGKILL)?;
    master.wait_for("vm1 (10.77.0.3) is lost")?;
    fleet.guests.iter().try_for_each(|host| fs::write(host.dir().join("go"), ""))?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5), "{finished:?}");
    let rounds = rounds(&fleet.control)?;
    ensure!(rounds.len() == 2 && rounds[1].slaves.len() == 3 && rounds[1].starts() == 2, "{finished:?}");
    is_whole(&rounds[0], 3, "exited 0")?;
    for slave in &rounds[1].slaves {
        let expected = if slave.name == "vm1" { "lost after" } else { "exited 0" };
        ensure!(slave.end.starts_with(expected), "{slave:?}");
    }
    Ok(())
}

fn a_leftover_of_one_round_writes_to_no_other() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let script = "/bin/sh :CONF:\n\
        (while [ -d \"$PWD\" ]; do echo by $SYNEXEC_ROUND; sleep 0.01; done) &\n\
        echo begun; until grep -q ^by synexec.out; do sleep 0.01; done\n";
    let finished = fleet.master(1, &fleet.conf(script)?, &["--rounds", "3", "-o", "out"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    for round in 1..=3 {
        let output = fs::read_to_string(fleet.control.dir().join(format!("out/round-{round}/0-vm0.out")))?;
        ensure!(output.contains("begun\n") && output.contains(&format!("by {round}\n")), "{output}");
        let others = output.lines().filter(|line| *line != "begun" && *line != format!("by {round}")).count();
        ensure!(others == 0, "round {round}: {output}");
    }
    Ok(())
}

/// The sessions are short, so there are many in a second. This is no flood.
fn five_hundred_rounds() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf("/bin/true\n")?, &["--rounds", "500"])?;
    for round in (100..=500).step_by(100) {
        master.wait_for(&format!("round {round} of 500"))?;
    }
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{}", finished.stderr);
    let all = rounds(&fleet.control)?;
    ensure!(all.len() == 500, "{} rounds", all.len());
    all.iter().try_for_each(|round| is_whole(round, 2, "exited 0"))
}

fn two_hundred_sessions_in_a_row() -> Result<()> {
    let fleet = Fleet::new(8)?;
    let _slaves = fleet.slaves(&[])?;
    for session in 1..=200 {
        fleet.serves_a_session().with_context(|| format!("session {session}"))?;
        is_whole(&only_round(&fleet.control)?, 8, "exited 0").with_context(|| format!("session {session}"))?;
    }
    Ok(())
}
