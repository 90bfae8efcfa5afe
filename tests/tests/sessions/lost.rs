//! Slaves, masters and hosts that go away, in each phase.

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, ensure};
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};
use synexec_tests::fleet::{Fleet, is_alive, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};

pub const TESTS: &[(&str, Test)] = &[
    ("lost::a_slave_killed_while_configuring", a_slave_killed_while_configuring),
    ("lost::a_slave_killed_while_it_receives_the_conf", a_slave_killed_while_it_receives_the_conf),
    ("lost::a_slave_killed_while_executing", a_slave_killed_while_executing),
    ("lost::a_master_killed_while_joining", a_master_killed_while_joining),
    ("lost::a_master_killed_while_configuring", a_master_killed_while_configuring),
    ("lost::a_master_killed_while_executing", a_master_killed_while_executing),
    ("lost::a_host_cut_off_while_executing", a_host_cut_off_while_executing),
    ("lost::a_slave_stopped_while_executing", a_slave_stopped_while_executing),
    ("lost::a_master_stopped_while_executing_blames_nobody", a_master_stopped_while_executing_blames_nobody),
    ("lost::masters_that_reset_every_connection_do_not_wear_a_slave_out", masters_that_reset_every_connection),
];

/// A task that prints its pid and its child's, and runs until a file appears in its guest's directory.
const UNTIL_GO: &str = "/bin/sh :CONF:\nsleep 1000 & echo pids $$ $! pids; while [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\nkill $!\n";

fn let_go(fleet: &Fleet) -> Result<()> {
    for guest in &fleet.guests {
        std::fs::write(guest.dir().join("go"), "")?;
    }
    Ok(())
}

fn task_pids(fleet: &Fleet, guest: usize) -> Result<Vec<String>> {
    let output = fleet.wait_for_output(guest, " pids")?;
    Ok(output.split_whitespace().filter(|word| *word != "pids").map(str::to_owned).collect())
}

fn wait_for_end_of(pids: &[String]) -> Result<()> {
    eventually("the end of the task", || pids.iter().all(|pid| !is_alive(pid)).then_some(()))
}

/// A session that stays in the configuring phase: the conf is large and the path to the last guest is narrow.
fn long_configuring(fleet: &Fleet) -> Result<PathBuf> {
    let last = fleet.guests.len() - 1;
    fleet.guests[last].limit_rate("1mbit")?;
    fleet.conf([&b"/bin/echo ran\n"[..], &vec![b'x'; 32 << 20]].concat())
}

fn a_slave_killed_while_configuring() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(3, &long_configuring(&fleet)?, &[])?;
    master.wait_for("vm0 (10.77.0.2) accepted")?;
    slaves[0].signal(Signal::SIGKILL)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("lost after") && row(&finished, "vm0")?.contains("configuring"));
    ensure!(row(&finished, "vm1")?.contains("cancelled") && row(&finished, "vm2")?.contains("cancelled"));
    ensure!((0..3).all(|guest| !fleet.has_run(guest)));
    Ok(())
}

fn a_slave_killed_while_it_receives_the_conf() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &long_configuring(&fleet)?, &[])?;
    master.wait_for("vm0 (10.77.0.2) accepted")?;
    slaves[1].signal(Signal::SIGKILL)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5) && row(&finished, "vm1")?.contains("lost after"), "{finished:?}");
    Ok(())
}

fn a_slave_killed_while_executing() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(3, &fleet.conf(UNTIL_GO)?, &[])?;
    let orphans = task_pids(&fleet, 1)?;
    slaves[1].signal(Signal::SIGKILL)?;
    master.wait_for("vm1 (10.77.0.3) is lost")?;
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5), "{finished:?}");
    ensure!(row(&finished, "vm1")?.contains("lost after") && row(&finished, "vm1")?.contains("executing"));
    ensure!(row(&finished, "vm0")?.contains("exited 0") && row(&finished, "vm2")?.contains("exited 0"));
    wait_for_end_of(&orphans)
}

fn a_master_killed_while_joining() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slave = fleet.slave(0, &[])?;
    let master = fleet.master(2, &fleet.conf("/bin/true\n")?, &[])?;
    master.wait_for("joined: 1 of 2")?;
    master.signal(Signal::SIGKILL)?;
    slave.wait_for("session over")?;
    let _second = fleet.slave(1, &[])?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_master_killed_while_configuring() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &long_configuring(&fleet)?, &[])?;
    master.wait_for("vm0 (10.77.0.2) accepted")?;
    master.signal(Signal::SIGKILL)?;
    slaves[0].wait_for("session over")?;
    fleet.guests[1].limit_rate("1gbit")?;
    slaves[1].wait_for("session over")?;
    fleet.serves_a_session()?;
    for guest in &fleet.guests {
        let left = std::fs::read_dir(guest.dir())?.filter_map(Result::ok).map(|entry| entry.file_name());
        let mut left: Vec<_> = left.collect();
        left.sort();
        ensure!(left == ["synexec.out", "synexec_slave.lock"], "{left:?}");
    }
    Ok(())
}

fn a_master_killed_while_executing() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &[])?;
    let pids = [task_pids(&fleet, 0)?, task_pids(&fleet, 1)?].concat();
    ensure!(pids.len() == 4 && pids.iter().all(|pid| is_alive(pid)), "{pids:?}");
    master.signal(Signal::SIGKILL)?;
    wait_for_end_of(&pids)?;
    for slave in &slaves {
        slave.wait_for("task ended: killed by SIGTERM")?;
    }
    fleet.serves_a_session()?;
    Ok(())
}

fn a_host_cut_off_while_executing() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let slaves = fleet.slaves(&["--lost-after", "4"])?;
    let master = fleet.master(3, &fleet.conf(UNTIL_GO)?, &["--lost-after", "4"])?;
    let pids = task_pids(&fleet, 2)?;
    master.wait_for("the task starts")?;
    fleet.guests[2].cut()?;
    master.wait_for("vm2 (10.77.0.4) is lost")?;
    wait_for_end_of(&pids)?;
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5) && row(&finished, "vm2")?.contains("lost after"), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("exited 0") && row(&finished, "vm1")?.contains("exited 0"));
    slaves[2].wait_for("session over")?;
    fleet.guests[2].restore()?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_slave_stopped_while_executing() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves: Vec<Process> = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &["--lost-after", "3"])?;
    master.wait_for("the task starts")?;
    // The guest's kernel still answers, but the slave does not.
    slaves[1].signal(Signal::SIGSTOP)?;
    master.wait_for("vm1 (10.77.0.3) is lost: silent for 3 s")?;
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(5) && row(&finished, "vm0")?.contains("exited 0"), "{finished:?}");
    slaves[1].signal(Signal::SIGCONT)?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_master_stopped_while_executing_blames_nobody() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &["--lost-after", "4"])?;
    master.wait_for("the task starts")?;
    master.signal(Signal::SIGSTOP)?;
    let since = Instant::now();
    eventually("twice the limit", || (since.elapsed().as_secs() >= 8).then_some(()))?;
    let_go(&fleet)?;
    master.signal(Signal::SIGCONT)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(())
}

fn masters_that_reset_every_connection() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &[])?;
    let broadcast = fleet.network.broadcast();
    fleet.control.enter(|| -> Result<()> {
        let listener = TcpListener::bind("0.0.0.0:5165")?;
        let prober = UdpSocket::bind("0.0.0.0:0")?;
        prober.set_broadcast(true)?;
        listener.set_nonblocking(true)?;
        for _ in 0..60 {
            let stream = eventually("a connection", || {
                prober.send_to(&[0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0], (broadcast, 5165)).ok()?;
                listener.accept().ok()
            })?;
            setsockopt(&stream.0, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
        }
        Ok(())
    })?;
    fleet.serves_a_session()?;
    Ok(())
}
