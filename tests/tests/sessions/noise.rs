//! Strangers that repeat themselves: the log tells of the first, and then only how many more there were.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::Host;
use synexec_tests::lab::harness::Test;
use synexec_tests::v1::{Command, frame};

use crate::keys::key_file;

pub const TESTS: &[(&str, Test)] = &[
    ("noise::a_stranger_that_is_not_allowed_fills_no_log", a_stranger_that_is_not_allowed),
    ("noise::a_stranger_of_another_protocol_fills_no_log", a_stranger_of_another_protocol),
    ("noise::a_probe_without_the_key_fills_no_log", a_probe_without_the_key),
];

const PORT: u16 = 5165;

/// Attempts of a stranger.
const ATTEMPTS: u64 = 300;

/// The lines of a log about lines of this kind that were not told, as the numbers in them.
fn counts(log: &str, kind: &str) -> Result<Vec<u64>> {
    let counts = log.lines().filter(|line| line.contains(kind) && line.contains(" more in the last "));
    counts.map(|line| number_of(line, kind).with_context(|| line.to_owned())).collect()
}

fn number_of(line: &str, kind: &str) -> Option<u64> {
    line.split_once(&format!("{kind}: "))?.1.split(' ').next()?.parse().ok()
}

/// Checks that the log has one line with this text, and tells of all other attempts in a few lines.
fn is_told_once(log: &str, text: &str, kind: &str) -> Result<()> {
    ensure!(log.matches(text).count() == 1, "{text}: {log}");
    let counts = counts(log, kind)?;
    ensure!(counts.len() <= 4 && counts.iter().sum::<u64>() == ATTEMPTS - 1, "{kind}: {counts:?} {log}");
    Ok(())
}

/// Connects to the master again and again, and waits each time until the master closes the connection.
fn knock(fleet: &Fleet, from: &Host, says: &[u8]) -> Result<()> {
    let master = (fleet.control.address(), PORT);
    from.enter(|| -> Result<()> {
        for _ in 0..ATTEMPTS {
            let mut stream = TcpStream::connect(master)?;
            // The master may have closed the connection already.
            let _ = stream.write_all(says);
            let _ = stream.read(&mut [0; 64]);
        }
        Ok(())
    })
}

fn a_stranger_that_is_not_allowed() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let guest = fleet.guests[0].address().to_string();
    let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &["--allow", &guest])?;
    master.wait_for("listening on ")?;
    knock(&fleet, &fleet.guests[1], &[])?;
    let _slave = fleet.slave(0, &[])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let kind = "connections from addresses that --allow does not include";
    is_told_once(&finished.stderr, "connections from 10.77.0.3 are closed", kind)
}

fn a_stranger_of_another_protocol() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &[])?;
    master.wait_for("listening on ")?;
    knock(&fleet, &fleet.guests[1], b"GET / HTTP/1.1\r\n\r\n")?;
    let _slave = fleet.slave(0, &[])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    is_told_once(&finished.stderr, "turned away 10.77.0.3", "connections turned away")
}

/// UDP may lose some of the probes.
fn a_probe_without_the_key() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let key = key_file(&fleet, "key", "a secret of some length")?;
    let slave = fleet.listening_slave(0, &["-k", &key])?;
    let guest = (fleet.guests[0].address(), PORT);
    let plain = frame(0, Command::Probe, &[])?;
    fleet.control.enter(|| -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        Ok((0..ATTEMPTS).try_for_each(|_| socket.send_to(&plain, guest).map(drop))?)
    })?;
    slave.wait_for("from 10.77.0.1 is not answered: the probe is not signed with a key")?;
    // A session shows that the slave has read the probes.
    let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, &["-k", &key])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    slave.signal(Signal::SIGTERM)?;
    let log = slave.wait()?.stderr;
    let counts = counts(&log, "probes that are not signed with a key")?;
    ensure!(log.matches("is not answered").count() == 1 && (1..=4).contains(&counts.len()), "{log}");
    Ok(())
}
