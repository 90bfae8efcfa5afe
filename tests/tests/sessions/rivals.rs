//! Two masters of one session at once.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, master_on, row};
use synexec_tests::lab::Host;
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;
use synexec_tests::v1::{Command, frame};

use crate::keys::key_file;

pub const TESTS: &[(&str, Test)] = &[
    ("rivals::the_master_with_the_lower_address_goes_first", the_master_with_the_lower_address_goes_first),
    ("rivals::two_masters_that_start_at_once_both_succeed", two_masters_that_start_at_once_both_succeed),
    ("rivals::two_masters_with_one_key_go_one_after_the_other", two_masters_with_one_key),
    ("rivals::a_slave_on_the_host_of_a_master_hears_another_master", a_slave_on_the_host_of_a_master),
    ("rivals::only_probes_that_count_make_a_master_yield", only_probes_that_count),
];

const PORT: u16 = 5165;

const MET: &str = "looks for slaves of the same session as this master";

/// A fleet, and a host for a second master, whose address is higher than that of the control domain.
struct Two {
    fleet: Fleet,
    other: Host,
    conf: PathBuf,
}

impl Two {
    fn new(guests: usize) -> Result<Self> {
        let fleet = Fleet::new(guests)?;
        let other = fleet.lab.host(&[&fleet.network])?;
        let conf = fleet.conf("/bin/echo ran\n")?;
        Ok(Self { fleet, other, conf })
    }

    fn first_master(&self, options: &[&str]) -> Result<Process> {
        self.fleet.master(self.fleet.guests.len(), &self.conf, options)
    }

    fn second_master(&self, options: &[&str]) -> Result<Process> {
        master_on(&self.other, self.fleet.guests.len(), &self.conf, options)
    }
}

/// The second master holds two of three slaves when the first one starts. The third slave comes when the second master
/// has yielded.
fn one_after_the_other(options: &[&str]) -> Result<()> {
    let two = Two::new(3)?;
    let second = two.second_master(options)?;
    second.wait_for("listening on ")?;
    let _slaves = [two.fleet.slave(0, options)?, two.fleet.slave(1, options)?];
    second.wait_for("joined: 2 of 3")?;
    let first = two.first_master(options)?;
    let theirs = "another master, 10.77.0.1, looks for slaves of the same session as this master, 10.77.0.5; \
                  the other master has the lower address and goes first";
    second.wait_for(theirs)?;
    second.wait_for("10.77.0.1, gets the slaves first; this master has released 2 slaves")?;
    first.wait_for("joined: 2 of 3")?;
    let ours = "another master, 10.77.0.5, looks for slaves of the same session as this master, 10.77.0.1; \
                this master has the lower address and goes first";
    first.wait_for(ours)?;
    let _third = two.fleet.slave(2, options)?;
    let [finished_first, finished_second] = [first.wait()?, second.wait()?];
    ensure!(
        finished_first.code() == Some(0) && finished_second.code() == Some(0),
        "{finished_first:?} {finished_second:?}"
    );
    ensure!(finished_second.stderr.contains("this master goes on"), "{finished_second:?}");
    ensure!(!finished_first.stderr.contains("gets the slaves first"), "{finished_first:?}");
    for (finished, name) in [(&finished_first, "vm2"), (&finished_second, "vm2")] {
        ensure!(row(finished, name)?.contains("exited 0"), "{finished:?}");
    }
    Ok(())
}

fn the_master_with_the_lower_address_goes_first() -> Result<()> {
    one_after_the_other(&[])
}

fn two_masters_with_one_key() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    one_after_the_other(&["-k", &key])
}

fn two_masters_that_start_at_once_both_succeed() -> Result<()> {
    let two = Two::new(3)?;
    let _slaves = two.fleet.slaves(&[])?;
    for finished in [two.second_master(&[])?, two.first_master(&[])?].map(|master| master.wait()) {
        let finished = finished?;
        ensure!(finished.code() == Some(0), "{finished:?}");
    }
    Ok(())
}

/// The master of this host listens on the port of its slave, but the slave hears probes by unicast as well.
fn a_slave_on_the_host_of_a_master() -> Result<()> {
    let two = Two::new(1)?;
    let options = ["--session", "9"];
    let waiting = master_on(&two.other, 2, &two.conf, &options)?;
    waiting.wait_for("listening on ")?;
    let slave = synexec_tests::fleet::slave_on(&two.other, "here", &["--session", "9", "--allow", "10.77.0.1"])?;
    slave.wait_for("listening for probes")?;
    // A network without broadcast: the probes of this master reach the slave by unicast only.
    let target = two.other.address().to_string();
    two.fleet.control.enter(|| -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let probe = frame(9, Command::Probe, &[])?;
        Ok(socket.send_to(&probe, (target.as_str(), PORT)).map(drop)?)
    })?;
    slave.wait_for("cannot connect to the master: 10.77.0.1:5165")?;
    ensure!(!waiting.output_so_far().contains(MET), "{}", waiting.output_so_far());
    Ok(())
}

/// Sends a plain probe of session 0 to all hosts, again and again, as an original master does.
fn probe_until(from: &Host, broadcast: Ipv4Addr, is_enough: &AtomicBool) -> Result<()> {
    from.enter(|| -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_broadcast(true)?;
        let probe = frame(0, Command::Probe, &[])?;
        while !is_enough.load(Ordering::Relaxed) {
            socket.send_to(&probe, (broadcast, PORT))?;
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    })
}

/// The control domain is a master of version 1. It makes a master yield that has no key and allows its address.
fn only_probes_that_count() -> Result<()> {
    let two = Two::new(1)?;
    let hosts = two.fleet.lab.hosts(3, &[&two.fleet.network])?;
    let key = key_file(&two.fleet, "key", "a secret of some length")?;
    let unmoved = [
        master_on(&hosts[0], 1, &two.conf, &["-k", &key])?,
        master_on(&hosts[1], 1, &two.conf, &["--allow", "10.77.0.77"])?,
        master_on(&hosts[2], 1, &two.conf, &["--session", "7"])?,
    ];
    let yielding = two.second_master(&["--allow", "10.77.0.1", "--allow", "10.77.0.2"])?;
    for master in unmoved.iter().chain([&yielding]) {
        master.wait_for("listening on ")?;
    }
    let is_enough = AtomicBool::new(false);
    let said = thread::scope(|scope| {
        let probing = scope.spawn(|| probe_until(&two.fleet.control, two.fleet.network.broadcast(), &is_enough));
        let said = yielding.wait_for("the other master, 10.77.0.1, gets the slaves first");
        is_enough.store(true, Ordering::Relaxed);
        said.and(probing.join().map_err(|_| anyhow::anyhow!("the prober panicked"))?)
    });
    said?;
    yielding.wait_for("this master goes on")?;
    for master in unmoved {
        ensure!(!master.output_so_far().contains(MET), "{}", master.output_so_far());
    }
    let _slave = two.fleet.slave(0, &[])?;
    ensure!(yielding.wait()?.code() == Some(0));
    Ok(())
}
