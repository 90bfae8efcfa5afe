//! Which slaves take part in a session, and which do not.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use synexec_tests::v1::{Command, HEADER, PATIENCE, Peer, Slave, VERSION, frame, header, hex, row};

use crate::{accept_conf, do_well, finish, pair, party, start};

/// First bytes of clients of other protocols.
fn strangers(session: u32) -> [Vec<u8>; 6] {
    [
        header(2, session, Command::Reply, 0).to_vec(),
        header(VERSION.swap_bytes(), session, Command::Reply, 0).to_vec(),
        header(VERSION, session ^ 1, Command::Reply, 0).to_vec(),
        b"GET / HTTP/1.1\r\nHost: synexec\r\n\r\n".to_vec(),
        vec![0xff; 4 * HEADER],
        vec![0; 4 * HEADER],
    ]
}

#[test]
fn strangers_are_shown_out_and_do_not_count() -> Result<()> {
    let (master, slave) = pair()?;
    slave.await_invitation()?;
    for greeting in strangers(slave.session()) {
        let mut stranger = slave.connect(master.port())?;
        stranger.send_bytes(&greeting)?;
        stranger.expect_closed().with_context(|| format!("greeted with {greeting:x?}"))?;
    }
    do_well(&mut slave.join(master.port())?)?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn the_silent_and_the_slow_delay_nobody() -> Result<()> {
    let (master, slave) = pair()?;
    slave.await_invitation()?;
    let _silent = slave.connect(master.port())?;
    let mut slow = slave.connect(master.port())?;
    slow.send_bytes(&header(VERSION, slave.session(), Command::Reply, 0)[..1])?;
    do_well(&mut slave.join(master.port())?)?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn a_hello_that_does_not_get_whole_is_shown_out() -> Result<()> {
    let (master, slave) = pair()?;
    slave.await_invitation()?;
    let hello = header(VERSION, slave.session(), Command::Reply, 20);
    for part in [&hello[..1], &hello[..10], &hello] {
        let mut stranger = slave.connect(master.port())?;
        stranger.send_bytes(part)?;
        stranger.expect_closed().with_context(|| format!("{} bytes of hello", part.len()))?;
    }
    let mut slow = slave.connect(master.port())?;
    slow.trickle_until_closed(Duration::from_millis(700))?;
    do_well(&mut slave.join(master.port())?)?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn one_that_does_not_answer_its_probe_is_dropped() -> Result<()> {
    let (master, slave) = pair()?;
    let mut mute = slave.hello(master.port())?;
    mute.expect(Command::Probe)?;
    mute.expect_closed()?;
    do_well(&mut slave.join(master.port())?)?;
    master.ends_with(0)?;
    Ok(())
}

/// The master may probe the slave while a place is free.
#[test]
fn one_too_many_is_released() -> Result<()> {
    let (master, slave) = pair()?;
    let mut first = slave.hello(master.port())?;
    first.expect(Command::Probe)?;
    let mut second = slave.connect(master.port())?;
    second.send(Command::Reply, &[])?;
    first.send(Command::Reply, &[])?;
    accept_conf(&mut first)?;
    let told = second.stay_mute(PATIENCE).context("the one too many")?;
    ensure!(
        told.is_empty() || told == frame(slave.session(), Command::Probe, &[])?,
        "the slave received {}",
        hex(&told)
    );
    start(&mut first)?;
    finish(&mut first)?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn one_that_leaves_before_all_have_joined_is_awaited_again() -> Result<()> {
    let (master, slaves) = party(2)?;
    slaves[0].hello(master.port())?.close();
    let mut peers = [slaves[1].hello(master.port())?, rejoin(&slaves[0], master.port())?];
    peers[0].answer_probe()?;
    for step in [accept_conf, start, finish] {
        peers.iter_mut().try_for_each(step)?;
    }
    let finished = master.ends_with(0)?;
    slaves.iter().try_for_each(|slave| row(&finished, slave.address()).map(drop))
}

/// Joins. The master may still hold the old connection, and refuse a new one until it notices the end of the old one.
fn rejoin(slave: &Slave, port: u16) -> Result<Peer> {
    for _ in 0..10 {
        if let Ok(peer) = slave.join(port) {
            return Ok(peer);
        }
    }
    bail!("the master did not take the slave back")
}
