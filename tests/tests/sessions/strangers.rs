//! Peers without a key, or with another key: they cannot command or join, and both sides report the reason.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};

use anyhow::{Context as _, Result, ensure};
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;
use synexec_tests::programs;
use synexec_tests::v1::{Command, HEADER, frame};

use super::keys::key_file;

pub const TESTS: &[(&str, Test)] = &[
    ("strangers::a_slave_that_hears_has_the_same_key_or_none", a_slave_that_hears_has_the_same_key_or_none),
    ("strangers::a_slave_that_dials_has_the_same_key_or_none", a_slave_that_dials_has_the_same_key_or_none),
    ("strangers::a_plain_probe_makes_a_slave_with_a_key_dial_nobody", a_plain_probe_makes_nobody_dial),
    ("strangers::a_repeated_probe_is_not_answered", a_repeated_probe_is_not_answered),
    ("strangers::an_original_slave_is_told_by_a_master_with_a_key", an_original_slave_is_told),
    ("strangers::an_original_master_is_given_up_by_a_slave_with_a_key", an_original_master_is_given_up),
];

const KEYED_HELLO: u8 = 48;
const KEYED_NO: u8 = 51;
const PORT: u16 = 5165;

/// The messages of a slave and a master with these keys about each other. A key is given by its name, or none.
type Case = (&'static str, &'static str, &'static str, &'static str);

fn options(fleet: &Fleet, key: &str) -> Result<Vec<String>> {
    if key == "none" {
        return Ok(Vec::new());
    }
    Ok(vec!["-k".to_owned(), key_file(fleet, key, &format!("the secret that is {key}"))?])
}

/// Checks that the slave and the master each report the reason once, however often the slave tries, and that no task
/// runs.
fn do_not_meet(fleet: &Fleet, dials: &[&str], (slaves, masters, slave_says, master_says): Case) -> Result<()> {
    let (slaves, masters) = (options(fleet, slaves)?, options(fleet, masters)?);
    let conf = fleet.conf("/bin/echo ran\n")?;
    // The programs run without -v, which repeats the report each time.
    let guest = &fleet.guests[0];
    let slave = Process::spawn(guest.command(programs::slave()).args(["--work-dir", "."]).args(&slaves).args(dials))?;
    let mut master = fleet.control.command(programs::master());
    let master = Process::spawn(master.args(&masters).args(["--wait", "5", "1"]).arg(&conf))?;
    slave.wait_for(slave_says)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(3) && !fleet.has_run(0), "{finished:?}");
    ensure!(is_told_once(&finished.stderr, master_says), "{master_says}: {finished:?}");
    ensure!(is_told_once(&slave.output_so_far(), slave_says), "{slave_says}: {}", slave.output_so_far());
    // The same slave serves a master with the same key.
    let slaves: Vec<_> = slaves.iter().map(String::as_str).collect();
    let finished = fleet.master(1, &conf, &slaves)?.wait()?;
    ensure!(finished.code() == Some(0) && fleet.has_run(0), "{finished:?} {}", slave.output_so_far());
    fleet.forget_outputs()
}

/// Whether one line has this text. The lines that count the repetitions do not count.
fn is_told_once(log: &str, text: &str) -> bool {
    log.lines().filter(|line| line.contains(text) && !line.contains(" more in the last ")).count() == 1
}

fn a_slave_that_hears_has_the_same_key_or_none() -> Result<()> {
    let fleet = Fleet::new(1)?;
    for case in [
        ("none", "a", "the master requires a key", "the peer has shown no key"),
        (
            "a",
            "none",
            "from 10.77.0.1 is not answered: the probe is not signed with a key",
            "slaves that have a key do not answer",
        ),
        (
            "a",
            "b",
            "from 10.77.0.1 is not answered: the probe is signed with another key",
            "only slaves with the same key answer",
        ),
    ] {
        do_not_meet(&fleet, &[], case).with_context(|| format!("{case:?}"))?;
    }
    Ok(())
}

fn a_slave_that_dials_has_the_same_key_or_none() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let master = fleet.control.address().to_string();
    for case in [
        ("none", "a", "the master requires a key", "the peer has shown no key"),
        ("a", "none", "the peer has shown no key", "the peer requires a key"),
        ("a", "b", "the peer has another key", "the peer has another key"),
    ] {
        do_not_meet(&fleet, &["-m", &master], case).with_context(|| format!("{case:?}"))?;
    }
    Ok(())
}

fn probe(fleet: &Fleet, datagram: &[u8]) -> Result<()> {
    let guest = (fleet.guests[0].address(), PORT);
    fleet.control.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.send_to(datagram, guest)).map(drop)
}

fn a_plain_probe_makes_nobody_dial() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let slave = fleet.listening_slave(0, &["-k", &key])?;
    let port = fleet.control.enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))?;
    port.set_nonblocking(true)?;
    let plain = frame(0, Command::Probe, &[])?;
    for datagram in [&plain, &frame(0, Command::Probe, &[0; 56])?] {
        [0; 3].iter().try_for_each(|_| probe(&fleet, datagram))?;
    }
    slave.wait_for("from 10.77.0.1 is not answered: the probe is not signed with a key")?;
    slave.wait_for("from 10.77.0.1 is not answered: the probe is signed with another key")?;
    ensure!(port.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it has dialled");
    drop(port);
    let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, &["-k", &key])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let said = slave.output_so_far();
    ensure!(said.matches("is not answered").count() == 2 && said.matches("connected to").count() == 1, "{said}");
    Ok(())
}

fn a_repeated_probe_is_not_answered() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let wire = fleet.control.capture()?;
    let slave = fleet.listening_slave(0, &["-k", &key])?;
    let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, &["-k", &key])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    slave.wait_for_count("listening for probes", 2)?;
    // The slave has accepted the first probe and no later one.
    let heard = wire.packets()?.into_iter().find(|packet| packet.is_udp).context("no probe")?;
    probe(&fleet, &heard.data)?;
    slave.wait_for("from 10.77.0.1 is not answered: the probe repeats an earlier probe")?;
    ensure!(slave.output_so_far().matches("connected to").count() == 1, "{}", slave.output_so_far());
    Ok(())
}

fn an_original_slave_is_told() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &["-k", &key])?;
    master.wait_for("waiting for 1")?;
    let mut stream = fleet.guests[0].enter(|| TcpStream::connect((fleet.control.address(), PORT)))?;
    stream.write_all(&frame(0, Command::Reply, &[])?)?;
    let mut told = Vec::new();
    stream.read_to_end(&mut told)?;
    ensure!(told == frame(0, KEYED_NO, &[1])?, "{told:?}");
    master.wait_for("the peer has shown no key")?;
    Ok(())
}

/// A master that goes on as with an original slave, and one that waits for a known hello.
fn an_original_master_is_given_up() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let port = fleet.control.enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))?;
    for says in [&frame(0, Command::Probe, &[])?[..], &[]] {
        let slave = fleet.slave(0, &["-k", &key, "-m", &fleet.control.address().to_string()])?;
        let (mut stream, _) = port.accept()?;
        let mut hello = [0; HEADER + 48];
        stream.read_exact(&mut hello)?;
        ensure!(hello[8] == KEYED_HELLO, "{hello:?}");
        stream.write_all(says)?;
        slave.wait_for("cannot connect to the master: 10.77.0.1:5165: the peer has shown no key")?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest)?;
        let told = if says.is_empty() { Vec::new() } else { frame(0, KEYED_NO, &[1])? };
        ensure!(rest == told, "{rest:?}");
    }
    Ok(())
}
