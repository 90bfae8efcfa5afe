//! Invalid connections.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use synexec_tests::v1::{Command, HEADER, Master, Peer, VERSION, header};

use crate::{ensure_back, pair};

/// Time after which the slave gives up on an incomplete message. A message may take a second.
const LIMIT: std::ops::Range<Duration> = Duration::from_millis(900)..Duration::from_secs(15);

fn strangers(session: u32) -> [[u8; HEADER]; 4] {
    [
        header(2, session, Command::Probe, 0),
        header(0, session, Command::Probe, 0),
        header(VERSION.swap_bytes(), session, Command::Probe, 0),
        header(VERSION, session ^ 1, Command::Probe, 0),
    ]
}

fn ensure_hangs_up(master: &Master, mut peer: Peer, bytes: &[u8]) -> Result<()> {
    peer.send_bytes(bytes)?;
    peer.expect_closed()?;
    ensure_back(master)
}

#[test]
fn another_version_or_session_ends_the_connection() -> Result<()> {
    let (master, _slave) = pair()?;
    for stranger in strangers(master.session()) {
        let mut peer = master.accept()?;
        peer.expect_hello()?;
        ensure_hangs_up(&master, peer, &stranger).context("as the first message")?;
        ensure_hangs_up(&master, master.configure(b"/bin/true\n")?, &stranger).context("after CONF_OK")?;
    }
    Ok(())
}

#[test]
fn another_version_ends_the_connection_while_running() -> Result<()> {
    let (master, _slave) = pair()?;
    let mut peer = master.configure(b"/bin/sleep 300")?;
    peer.send(Command::Exec, &[])?;
    peer.expect(Command::ExecOk)?;
    ensure_hangs_up(&master, peer, &header(2, master.session(), Command::Probe, 0))
}

#[test]
fn a_message_that_does_not_get_whole_ends_the_connection() -> Result<()> {
    let (master, _slave) = pair()?;
    let conf = header(VERSION, master.session(), Command::Conf, 20);
    let half = [&conf[..], b"/bin/tr"].concat();
    for part in [&conf[..1], &conf[..10], &conf, &half] {
        let peer = master.accept_slave()?;
        let start = Instant::now();
        ensure_hangs_up(&master, peer, part).with_context(|| format!("{} bytes", part.len()))?;
        ensure!(start.elapsed() >= LIMIT.start, "{} bytes: hung up after {:?}", part.len(), start.elapsed());
    }
    Ok(())
}

#[test]
fn a_trickle_does_not_keep_the_connection() -> Result<()> {
    let (master, _slave) = pair()?;
    let mut peer = master.accept_slave()?;
    let start = Instant::now();
    peer.send_bytes(&header(VERSION, master.session(), Command::Conf, 1000))?;
    peer.trickle_until_closed(Duration::from_millis(200))?;
    ensure!(LIMIT.contains(&start.elapsed()), "hung up after {:?}", start.elapsed());
    ensure_back(&master)
}

#[test]
fn silence_between_messages_is_no_fault() -> Result<()> {
    let (master, _slave) = pair()?;
    let mut peer = master.accept()?;
    peer.expect_hello()?;
    peer.expect_nothing_for(Duration::from_secs(3))?;
    peer.probe()?;
    peer.expect_nothing_for(Duration::from_secs(2))?;
    peer.send(Command::Conf, b"/bin/true\n")?;
    peer.expect(Command::ConfOk)?;
    peer.expect_nothing_for(Duration::from_secs(2))?;
    peer.probe()
}
