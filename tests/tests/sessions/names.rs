//! Names of slaves: expected ones, excluded ones, and equal ones.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, left_in, row, rows, slave_on, wait_until_listening};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;
use synexec_tests::report;

pub const TESTS: &[(&str, Test)] = &[
    ("names::expected_slaves_take_part_and_no_others", expected_slaves_take_part_and_no_others),
    ("names::excluded_slaves_do_not_take_part", excluded_slaves_do_not_take_part),
    ("names::slaves_with_equal_names_are_told_apart", slaves_with_equal_names_are_told_apart),
    ("names::lines_of_slaves_with_equal_names_are_told_apart", lines_of_slaves_with_equal_names_are_told_apart),
];

/// Starts a slave with such a name on each guest.
fn named(fleet: &Fleet, names: &[&str]) -> Result<Vec<Process>> {
    let start = |(guest, name): (_, &&str)| {
        let slave = slave_on(guest, name, &[])?;
        wait_until_listening(&slave).map(|()| slave)
    };
    fleet.guests.iter().zip(names).map(start).collect()
}

fn expected_slaves_take_part_and_no_others() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let first = slave_on(&fleet.guests[0], "web2", &[])?;
    let master = fleet.master(2, &fleet.conf("/bin/true\n")?, &["--expect", "web[1,3]"])?;
    let why = "the user of the master expects other slaves (--expect)";
    first.wait_for(&format!("the master has turned this slave away: {why}"))?;
    master.wait_for(&format!("turned away web2 (10.77.0.2): {why}"))?;
    let _others = [slave_on(&fleet.guests[1], "web3", &[])?, slave_on(&fleet.guests[2], "web1", &[])?];
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0) && rows(&finished, "web2").is_empty(), "{finished:?}");
    for (name, rank) in [("web1", "0"), ("web3", "1")] {
        ensure!(row(&finished, name)?.split_whitespace().next() == Some(rank), "{finished:?}");
    }
    // A slave that was turned away serves the next session.
    fleet.serves_a_session()?;
    ensure!(first.is_running());
    Ok(())
}

fn excluded_slaves_do_not_take_part() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let slaves = named(&fleet, &["web1", "web2", "db"])?;
    let conf = fleet.conf("/bin/true\n")?;
    let finished = fleet.master(2, &conf, &["--exclude", "web[2-9]", "--exclude", "vm"])?.wait()?;
    ensure!(finished.code() == Some(0) && rows(&finished, "web2").is_empty(), "{finished:?}");
    ensure!(rows(&finished, "exited").len() == 2, "{finished:?}");
    // The two others may have joined before the excluded slave had a chance to ask.
    let finished = fleet.master(2, &conf, &["--exclude", "web2", "--expect", "web[1-2],db", "--wait", "60"])?.wait()?;
    ensure!(finished.code() == Some(0) && rows(&finished, "exited").len() == 2, "{finished:?}");
    let master = fleet.master(3, &conf, &["--exclude", "web2"])?;
    let why = "the user of the master excludes the name `web2` (--exclude)";
    master.wait_for(&format!("turned away web2 (10.77.0.3): {why}"))?;
    slaves[1].wait_for(why)?;
    master.signal(Signal::SIGINT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(130) && rows(&finished, "web2").is_empty(), "{finished:?}");
    let refused = fleet.master(2, &conf, &["--exclude", "web[2"])?.wait()?;
    ensure!(refused.code() == Some(2) && refused.stderr.contains("unmatched bracket"), "{refused:?}");
    Ok(())
}

fn slaves_with_equal_names_are_told_apart() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = named(&fleet, &["vm", "db", "vm"])?;
    let conf = fleet.conf("/bin/sh :CONF:\nip -o -4 address show dev eth0 | grep -o '10.77.0.[0-9]*/'\n")?;
    let finished = fleet.master(3, &conf, &["--gather", "-o", "out"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let warning = "2 slaves have the name vm; this session calls them vm@10.77.0.2, vm@10.77.0.4";
    ensure!(finished.stderr.contains(warning), "{finished:?}");
    let left = left_in(&fleet.control.dir().join("out"))?;
    for (rank, label, host) in [(0, "db", 3), (1, "vm@10.77.0.2", 2), (2, "vm@10.77.0.4", 4)] {
        let text = format!("10.77.0.{host}/");
        let section = format!("--- {label}");
        let mut lines = finished.stdout.lines().skip_while(|line| *line != section).skip(1);
        ensure!(lines.next().is_some_and(|line| line.ends_with(&text)), "{label}: {finished:?}");
        let file = format!("{rank}-{label}.out");
        ensure!(left.iter().any(|name| *name == *file), "{left:?}");
        ensure!(std::fs::read_to_string(fleet.control.dir().join("out").join(file))?.trim() == text);
        row(&finished, label)?;
        let slave = &report::read(&fleet.control)?["rounds"][0]["slaves"][rank];
        ensure!(slave["label"] == label && slave["name"] == label.split('@').next().unwrap_or_default(), "{slave}");
    }
    Ok(())
}

fn lines_of_slaves_with_equal_names_are_told_apart() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = named(&fleet, &["vm", "vm"])?;
    let finished = fleet.master(2, &fleet.conf("/bin/echo hello\n")?, &["--live"])?.wait()?;
    for label in ["vm@10.77.0.2", "vm@10.77.0.3"] {
        let lines = finished.stdout.lines().filter(|line| line.starts_with(label) && line.ends_with("hello"));
        ensure!(lines.count() == 1, "{finished:?}");
    }
    Ok(())
}
