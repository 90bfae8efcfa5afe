//! Which slaves take part in a session, and which do not.

use std::io::Write as _;
use std::net::TcpStream;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, master_on, row, rows};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};

pub const TESTS: &[(&str, Test)] = &[
    ("joining::just_n_take_part_and_the_others_are_free_at_once", just_n_take_part_and_the_others_are_free_at_once),
    ("joining::a_slave_that_vanishes_is_awaited_again", a_slave_that_vanishes_is_awaited_again),
    ("joining::a_slave_that_went_silent_does_not_count", a_slave_that_went_silent_does_not_count),
    ("joining::strangers_neither_count_nor_delay", strangers_neither_count_nor_delay),
    ("joining::the_master_gives_up_when_told_to", the_master_gives_up_when_told_to),
    ("joining::a_slave_dials_until_its_master_is_there", a_slave_dials_until_its_master_is_there),
    ("joining::targets_are_reached_without_broadcast", targets_are_reached_without_broadcast),
];

fn just_n_take_part_and_the_others_are_free_at_once() -> Result<()> {
    let fleet = Fleet::new(5)?;
    let slaves = fleet.slaves(&[])?;
    let conf = fleet.conf("/bin/sh :CONF:\nwhile [ ! -e go ]; do sleep 0.05; done\n")?;
    let first = fleet.master(3, &conf, &[])?;
    first.wait_for("the task starts")?;
    // The other two slaves are free meanwhile, and serve another master.
    let other = fleet.lab.host(&[&fleet.network])?;
    let other_conf = other.dir().join("job.conf");
    std::fs::write(&other_conf, "/bin/true\n")?;
    let second = master_on(&other, 2, &other_conf, &[])?.wait()?;
    ensure!(second.code() == Some(0) && rows(&second, "exited").len() == 2, "{second:?}");
    for guest in &fleet.guests {
        std::fs::write(guest.dir().join("go"), "")?;
    }
    let finished = first.wait()?;
    ensure!(finished.code() == Some(0) && rows(&finished, "exited").len() == 3, "{finished:?}");
    for guest in 0..5 {
        let taken = [&finished, &second].map(|session| rows(session, &format!("vm{guest}")).len());
        ensure!(taken == [1, 0] || taken == [0, 1], "vm{guest} took part in {taken:?}");
    }
    ensure!(slaves.iter().all(Process::is_running));
    fleet.serves_a_session()?;
    Ok(())
}

fn a_slave_that_vanishes_is_awaited_again() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slave = fleet.slave(0, &[])?;
    let master = fleet.master(2, &fleet.conf("/bin/true\n")?, &[])?;
    master.wait_for("vm0 (10.77.0.2) joined: 1 of 2")?;
    slave.signal(Signal::SIGKILL)?;
    master.wait_for("is gone: the slave closed the connection; slaves now: 0 of 2")?;
    let _slaves = fleet.slaves(&[])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0) && rows(&finished, "exited").len() == 2, "{finished:?}");
    Ok(())
}

fn a_slave_that_went_silent_does_not_count() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let silent = fleet.slave(0, &[])?;
    let master = fleet.master(2, &fleet.conf("/bin/true\n")?, &[])?;
    master.wait_for("joined: 1 of 2")?;
    silent.signal(Signal::SIGSTOP)?;
    // The slave stays silent for longer than allowed before the set is complete. Only the silence shows that it is
    // lost.
    let since = std::time::Instant::now();
    eventually("a second of silence", || (since.elapsed().as_millis() > 1200).then_some(()))?;
    let _second = fleet.slave(1, &[])?;
    master.wait_for("vm0 (10.77.0.2) is gone: no answer")?;
    let _third = fleet.slave(2, &[])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0) && rows(&finished, "vm0").is_empty(), "{finished:?}");
    Ok(())
}

fn strangers_neither_count_nor_delay() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &[])?;
    master.wait_for("waiting for 1")?;
    let address = fleet.control.address();
    let connect = || fleet.guests[0].enter(|| TcpStream::connect((address, 5165)));
    let mut connections = vec![connect()?];
    let reply = |version: u8, session: u8| [0, 0, 0, version, 0, 0, 0, session, 0, 0, 0];
    for words in [&b"GET / HTTP/1.0\r\n\r\n"[..], &reply(2, 0), &reply(1, 9), &reply(1, 0)[..5]] {
        let mut stream = connect()?;
        stream.write_all(words)?;
        connections.push(stream);
    }
    for why in ["speaks version 1195725856", "speaks version 2", "belongs to session 9", "did not finish it in time"] {
        master.wait_for(why)?;
    }
    let _slave = fleet.slave(0, &[])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0) && rows(&finished, "exited").len() == 1, "{finished:?}");
    ensure!(finished.stderr.matches("joined").count() == 1, "{finished:?}");
    Ok(())
}

fn the_master_gives_up_when_told_to() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.listening_slave(0, &[])?;
    let finished = fleet.master(2, &fleet.conf("/bin/echo ran\n")?, &["--wait", "5"])?.wait()?;
    ensure!(finished.code() == Some(3), "{finished:?}");
    ensure!(finished.stderr.contains("only 1 of 2 slaves joined within 5 s"), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("cancelled") && !fleet.has_run(0), "{finished:?}");
    fleet.serves_a_session()?;
    Ok(())
}

fn a_slave_dials_until_its_master_is_there() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let master = fleet.control.address().to_string();
    let slave = fleet.slave(0, &["-m", &master])?;
    slave.wait_for("cannot connect to the master")?;
    fleet.serves_a_session()?;
    fleet.serves_a_session()?;
    Ok(())
}

fn targets_are_reached_without_broadcast() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&["-p", "6000"])?;
    // Loopback's broadcast reaches no guest. The targets reach the guests, and one target has an explicit port.
    let (first, second) = (fleet.guests[0].address().to_string(), format!("{}:6000", fleet.guests[1].address()));
    let conf = fleet.conf("/bin/true\n")?;
    let finished = fleet.master(2, &conf, &["-p", "6000", "-b", "-t", &first, "-t", &second])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(())
}
