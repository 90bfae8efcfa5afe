//! Which slave gets which rank.

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, row, slave_on, wait_until_listening};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;
use synexec_tests::report::only_round;

pub const TESTS: &[(&str, Test)] = &[
    ("ranks::the_same_guests_get_the_same_ranks_in_every_session", the_same_guests_get_the_same_ranks),
    ("ranks::a_slave_gets_the_rank_that_it_asks_for", a_slave_gets_the_rank_that_it_asks_for),
    ("ranks::two_that_ask_for_the_same_rank_are_told", two_that_ask_for_the_same_rank_are_told),
];

/// Starts a slave with a name and options on each guest.
fn slaves(fleet: &Fleet, slaves: &[(&str, &[&str])]) -> Result<Vec<Process>> {
    let start = |(guest, (name, options)): (_, &(&str, &[&str]))| {
        let slave = slave_on(guest, name, options)?;
        wait_until_listening(&slave).map(|()| slave)
    };
    fleet.guests.iter().zip(slaves).map(start).collect()
}

/// Runs a session whose tasks tell their ranks, and checks that the slaves with these names have the ranks 0, 1, 2, ..
fn assert_ranks(fleet: &Fleet, options: &[&str], names: &[&str]) -> Result<()> {
    let conf = fleet.conf("/bin/sh :CONF:\necho $SYNEXEC_NAME has rank $SYNEXEC_RANK of $SYNEXEC_SLAVES\n")?;
    let options = [options, &["--gather"]].concat();
    let finished = fleet.master(names.len(), &conf, &options)?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    for (rank, name) in names.iter().enumerate() {
        let told = format!("{name} has rank {rank} of {}", names.len());
        ensure!(finished.stdout.lines().any(|line| line.ends_with(&told)), "{told}: {finished:?}");
        ensure!(only_round(&fleet.control)?.slave(name)?.all["rank"] == rank, "{name}: {finished:?}");
    }
    Ok(())
}

fn the_same_guests_get_the_same_ranks() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = slaves(&fleet, &[("web10", &[]), ("web2", &[]), ("db", &[])])?;
    assert_ranks(&fleet, &[], &["db", "web2", "web10"])?;
    assert_ranks(&fleet, &[], &["db", "web2", "web10"])?;
    assert_ranks(&fleet, &["--expect", "web[2,10],db"], &["web2", "web10", "db"])
}

fn a_slave_gets_the_rank_that_it_asks_for() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = slaves(&fleet, &[("c", &["--rank", "1"]), ("b", &[]), ("a", &[])])?;
    assert_ranks(&fleet, &[], &["a", "c", "b"])
}

fn two_that_ask_for_the_same_rank_are_told() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let first = slaves(&fleet, &[("a", &["--rank", "1"])])?;
    let master = fleet.master(2, &fleet.conf("/bin/true\n")?, &[])?;
    master.wait_for("a (10.77.0.2) joined: 1 of 2")?;
    let second = slave_on(&fleet.guests[1], "b", &["--rank", "1"])?;
    let why = "the slave asks for rank 1, and a (10.77.0.2) has it already";
    second.wait_for(&format!("the master has turned this slave away: {why}"))?;
    let beyond = slave_on(&fleet.guests[2], "c", &["--rank", "2"])?;
    beyond.wait_for("the slave asks for rank 2, and the last rank of this session is 1")?;
    // A slave that has no rank of its own fits in.
    drop(beyond);
    let _third = slave_on(&fleet.guests[2], "d", &[])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    ensure!(finished.stderr.contains(&format!("turned away b (10.77.0.3): {why}")), "{finished:?}");
    let has_rank = |name, rank| row(&finished, name).map(|row| row.split_whitespace().next() == Some(rank));
    ensure!(has_rank("d", "0")? && has_rank("a", "1")? && row(&finished, "b").is_err(), "{finished:?}");
    // A slave that was turned away serves a session in which its rank is free.
    drop(first);
    let finished = fleet.master(2, &fleet.conf("/bin/true\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(0) && row(&finished, "b")?.split_whitespace().next() == Some("1"), "{finished:?}");
    ensure!(second.is_running());
    Ok(())
}
