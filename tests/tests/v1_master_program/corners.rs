//! Corner cases in which our master must act like the original master.

use anyhow::{Context as _, Result, ensure};
use synexec_tests::v1::{Command, Finish, HEADER, OurMaster, Peer, Slave, VERSION, header, row};

use crate::{CONF, accept_conf, configure_all, do_well, finish, pair, party, start, times};

/// Commands that no version defines.
const UNKNOWN: [u8; 5] = [11, 12, 15, 200, 255];

/// Commands that both peers must agree on first. This slave has not announced any extension. The commands are too few
/// to be a flood.
const EXTENSION: [u8; 18] = [16, 17, 18, 19, 24, 25, 26, 27, 40, 41, 42, 43, 48, 49, 50, 51, 56, 57];

fn say(peer: &mut Peer, commands: impl IntoIterator<Item = u8>) -> Result<()> {
    for command in commands {
        for length in [0, 1, 40, 65_535] {
            peer.send(command, &vec![0xa5; length])?;
        }
    }
    Ok(())
}

/// A session whose slave has started its command.
fn running() -> Result<(OurMaster, Slave, Peer)> {
    let (master, slave) = pair()?;
    let mut peer = slave.join(master.port())?;
    accept_conf(&mut peer)?;
    start(&mut peer)?;
    Ok((master, slave, peer))
}

fn ensure_lost(master: &OurMaster, slave: &Slave) -> Result<()> {
    let finished = master.ends_with(5)?;
    row(&finished, slave.address())?;
    Ok(())
}

#[test]
fn unknown_commands_are_read_past() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = slave.join(master.port())?;
    peer.expect_message(Command::Conf, CONF)?;
    say(&mut peer, UNKNOWN)?;
    peer.send(Command::ConfOk, &[])?;
    peer.expect(Command::Exec)?;
    say(&mut peer, UNKNOWN)?;
    peer.send(Command::ExecOk, &[])?;
    say(&mut peer, UNKNOWN)?;
    finish(&mut peer)?;
    peer.expect_closed()?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn extensions_from_one_that_did_not_announce_itself_are_read_past() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = slave.hello(master.port())?;
    peer.expect(Command::Probe)?;
    say(&mut peer, EXTENSION)?;
    peer.send(Command::Reply, &[])?;
    peer.expect_message(Command::Conf, CONF)?;
    say(&mut peer, EXTENSION)?;
    peer.send(Command::ConfOk, &[])?;
    peer.expect(Command::Exec)?;
    peer.send(Command::ExecOk, &[])?;
    say(&mut peer, EXTENSION)?;
    finish(&mut peer)?;
    peer.expect_closed()?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn unknown_commands_before_the_answer_to_the_probe_are_read_past() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = slave.hello(master.port())?;
    peer.expect(Command::Probe)?;
    say(&mut peer, UNKNOWN)?;
    peer.send(Command::Reply, &[])?;
    do_well(&mut peer)?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn data_where_none_is_needed_are_read_past() -> Result<()> {
    let (master, slave) = pair()?;
    slave.await_invitation()?;
    let mut peer = slave.connect(master.port())?;
    peer.send(Command::Reply, b"no capability block at all")?;
    peer.expect(Command::Probe)?;
    peer.send(Command::Reply, &vec![0; 65_535])?;
    peer.expect_message(Command::Conf, CONF)?;
    peer.send(Command::ConfOk, b"gladly")?;
    peer.expect(Command::Exec)?;
    peer.send(Command::ExecOk, b"off it goes")?;
    finish(&mut peer)?;
    peer.expect_closed()?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn a_short_or_long_hello_block_is_read_past() -> Result<()> {
    for length in [1, 4, 65_535] {
        let (master, slave) = pair()?;
        slave.await_invitation()?;
        let mut peer = slave.connect(master.port())?;
        peer.send(Command::Reply, &vec![0; length])?;
        peer.answer_probe().with_context(|| format!("{length} bytes in hello"))?;
        do_well(&mut peer)?;
        master.ends_with(0)?;
    }
    Ok(())
}

#[test]
fn running_and_stopped_are_read_past() -> Result<()> {
    let (master, _slave, mut peer) = running()?;
    for command in [Command::Running, Command::Stopped] {
        peer.send(command, &[])?;
        peer.send(command, b"half way")?;
        peer.send(command, &[0x5a; Finish::LEN])?;
    }
    peer.send(Command::Reply, &[])?;
    finish(&mut peer)?;
    peer.expect_closed()?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn finish_of_another_length_loses_the_slave() -> Result<()> {
    for length in [0, 47, 49, 96] {
        let (master, slave, mut peer) = running()?;
        peer.send(Command::Finishd, &vec![0; length])?;
        ensure_lost(&master, &slave).with_context(|| format!("{length} bytes of data"))?;
    }
    Ok(())
}

#[test]
fn finish_of_another_length_does_not_lose_the_others() -> Result<()> {
    let (master, slaves) = party(2)?;
    let mut peers = configure_all(&master, &slaves)?;
    peers.iter_mut().try_for_each(start)?;
    peers[0].send(Command::Finishd, &times()?[..40])?;
    peers[0].expect_closed()?;
    master.process().wait_for(" is lost: ")?;
    peers[1].answer_probes_until_now()?;
    finish(&mut peers[1])?;
    peers[1].expect_closed()?;
    let finished = master.ends_with(5)?;
    for (slave, is_lost) in slaves.iter().zip([true, false]) {
        let row = row(&finished, slave.address())?;
        ensure!(row.contains("lost") == is_lost, "the row of {}: {row}", slave.address());
    }
    Ok(())
}

#[test]
fn another_version_or_session_ends_the_connection() -> Result<()> {
    for (version, flip) in [(2, 0), (VERSION, 1)] {
        let (master, slave, mut peer) = running()?;
        peer.send_bytes(&header(version, slave.session() ^ flip, Command::Reply, 0))?;
        peer.expect_closed()?;
        ensure_lost(&master, &slave)?;
    }
    Ok(())
}

#[test]
fn a_message_that_does_not_get_whole_ends_the_connection() -> Result<()> {
    for length in [1, HEADER, HEADER + 20] {
        let (master, slave, mut peer) = running()?;
        let start = header(VERSION, slave.session(), Command::Finishd, 48);
        let whole = [&start[..], &times()?].concat();
        peer.send_bytes(&whole[..length])?;
        peer.expect_closed().with_context(|| format!("{length} bytes of FINISHD"))?;
        ensure_lost(&master, &slave)?;
    }
    Ok(())
}
