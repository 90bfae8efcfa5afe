//! Hosts with delayed wires.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::{Host, Lab};
use synexec_tests::process::{PATIENCE, eventually};

use super::{PORT, connect, ear, hear, limit_and_measure, one_network, shout};

pub const TESTS: &[(&str, Test)] = &[
    ("delays::add_up_on_every_way", delays_add_up_on_every_way),
    ("delays::each_host_has_its_own", each_host_has_its_own),
    ("delays::bulk_data_arrives_whole", bulk_data_arrives_whole),
    ("delays::frames_arrive_once_and_in_order", frames_arrive_once_and_in_order),
    ("delays::all_wires_of_a_host_are_delayed", all_wires_of_a_host_are_delayed),
    ("delays::a_delayed_host_can_be_cut", a_delayed_host_can_be_cut),
    ("delays::a_delayed_host_can_be_limited", a_delayed_host_can_be_limited),
    ("delays::a_host_is_delayed_once", a_host_is_delayed_once),
    ("delays::other_hosts_may_go", other_hosts_may_go),
];

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_millis(80);

fn delays_add_up_on_every_way() -> Result<()> {
    let (_lab, _network, hosts) = one_network(3)?;
    hosts[1].delay(SHORT)?;
    hosts[2].delay(SHORT * 2)?;
    for (from, to, delay) in [(0, 1, SHORT), (1, 0, SHORT), (2, 0, SHORT * 2), (1, 2, SHORT * 3)] {
        let fastest = fastest_of(1, &hosts[from], &hosts[to])?;
        ensure!(fastest >= delay * 2, "{from} to {to} and back in {fastest:?}");
    }
    Ok(())
}

fn each_host_has_its_own() -> Result<()> {
    let (_lab, _network, hosts) = one_network(3)?;
    hosts[1].delay(SHORT)?;
    hosts[2].delay(LONG)?;
    ensure!(fastest_of(1, &hosts[0], &hosts[2])? >= LONG * 2);
    ensure!(fastest_of(20, &hosts[0], &hosts[1])? < LONG * 2);
    Ok(())
}

fn bulk_data_arrives_whole() -> Result<()> {
    let (_lab, _network, hosts) = one_network(2)?;
    hosts[1].delay(SHORT)?;
    let (near, far) = connect(&hosts[0], &hosts[1])?;
    near.set_read_timeout(Some(PATIENCE))?;
    thread::scope(|scope| {
        let there = scope.spawn(|| check_transfer(&near, &far, 3));
        let back = scope.spawn(|| check_transfer(&far, &near, 7));
        there.join().ok().context("a transfer panicked")??;
        back.join().ok().context("a transfer panicked")?
    })
}

fn frames_arrive_once_and_in_order() -> Result<()> {
    let (_lab, network, hosts) = one_network(3)?;
    hosts[1].delay(SHORT)?;
    let ears = [ear(&hosts[0])?, ear(&hosts[1])?, ear(&hosts[2])?];
    for speaker in &hosts {
        ["one", "two", "three"].iter().try_for_each(|words| shout(speaker, &network, words))?;
        for ear in &ears {
            let heard = [hear(ear)?.0, hear(ear)?.0, hear(ear)?.0];
            ensure!(heard == ["one", "two", "three"], "{heard:?}");
        }
    }
    Ok(())
}

fn all_wires_of_a_host_are_delayed() -> Result<()> {
    let lab = Lab::new()?;
    let (front, back) = (lab.network("10.77.1.0/24")?, lab.network("10.77.2.0/24")?);
    let between = lab.host(&[&front, &back])?;
    let (before, behind) = (lab.host(&[&front])?, lab.host(&[&back])?);
    between.delay(SHORT)?;
    ensure!(fastest_of(1, &between, &before)? >= SHORT * 2);
    ensure!(fastest_of(1, &between, &behind)? >= SHORT * 2);
    Ok(())
}

fn a_delayed_host_can_be_cut() -> Result<()> {
    let (lab, network, hosts) = one_network(3)?;
    let (cut, speaker) = (&hosts[1], &hosts[0]);
    cut.delay(SHORT)?;
    cut.cut()?;
    let received = received(&lab)?;
    shout(cut, &network, "lost")?;
    eventually("the frame to reach the cut", || (self::received(&lab).ok()? != received).then_some(()))?;

    let ears = [ear(cut)?, ear(&hosts[2])?];
    shout(speaker, &network, "lost to one")?;
    ensure!(hear(&ears[1])?.0 == "lost to one", "the cut host was heard");
    cut.restore()?;
    shout(speaker, &network, "found")?;
    ensure!(hear(&ears[0])?.0 == "found", "the cut host heard");
    shout(cut, &network, "heard")?;
    ensure!(hear(&ears[1])?.0 == "found" && hear(&ears[1])?.0 == "heard");
    Ok(())
}

fn a_delayed_host_can_be_limited() -> Result<()> {
    let (_lab, _network, hosts) = one_network(2)?;
    hosts[1].delay(SHORT)?;
    limit_and_measure(&hosts)
}

fn a_host_is_delayed_once() -> Result<()> {
    let (_lab, _network, hosts) = one_network(2)?;
    hosts[1].delay(Duration::ZERO)?;
    hosts[1].delay(SHORT)?;
    ensure!(hosts[1].delay(SHORT).is_err());
    connect(&hosts[0], &hosts[1])?;
    Ok(())
}

fn other_hosts_may_go() -> Result<()> {
    let (_lab, _network, mut hosts) = one_network(3)?;
    hosts[1].delay(SHORT)?;
    hosts[2].delay(SHORT)?;
    connect(&hosts[0], &hosts[1])?;
    drop(hosts.pop());
    ensure!(fastest_of(1, &hosts[0], &hosts[1])? >= SHORT * 2);
    Ok(())
}

/// The shortest of this many round trips. The first one includes the time to find the hardware addresses.
fn fastest_of(trips: usize, from: &Host, to: &Host) -> Result<Duration> {
    let (mouth, ear) = (from.enter(|| UdpSocket::bind("0.0.0.0:0"))?, ear(to)?);
    mouth.set_read_timeout(Some(PATIENCE))?;
    let trips = (0..trips).map(|_| round_trip(&mouth, &ear, SocketAddr::from((to.address(), PORT))));
    trips.collect::<Result<Vec<_>>>()?.into_iter().min().context("no trips")
}

fn round_trip(mouth: &UdpSocket, ear: &UdpSocket, to: SocketAddr) -> Result<Duration> {
    let start = Instant::now();
    mouth.send_to(b"ping", to)?;
    let (words, from) = hear(ear)?;
    ear.send_to(words.as_bytes(), from)?;
    hear(mouth)?;
    Ok(start.elapsed())
}

/// Sends some MiB whose pattern does not repeat with the size of a frame.
fn check_transfer(mut from: &TcpStream, mut to: &TcpStream, seed: u8) -> Result<()> {
    let sent: Vec<u8> = (0..=250).map(|byte: u8| byte.wrapping_mul(seed)).cycle().take(4 << 20).collect();
    let mut received = vec![0; sent.len()];
    thread::scope(|scope| {
        let writer = scope.spawn(|| from.write_all(&sent));
        to.read_exact(&mut received)?;
        writer.join().ok().context("the writer panicked")?.context("cannot write")
    })?;
    ensure!(received == sent, "the data was changed on its way");
    Ok(())
}

/// The counters of the switch's end of the second host's wire.
fn received(lab: &Lab) -> Result<String> {
    let counters = lab.switch().enter(|| fs::read_to_string("/proc/thread-self/net/dev"))?;
    let wire = counters.lines().find(|line| line.trim_start().starts_with("x2:"));
    Ok(wire.context("no wire x2")?.to_owned())
}
