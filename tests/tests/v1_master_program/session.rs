//! Whole sessions: the recorded ones, and several slaves.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use synexec_tests::process::Finished;
use synexec_tests::v1::{Command, OurMaster, Recording, Slave, frame, play_slave, row};

use crate::{CONF, accept_conf, finish, join_all, pair, party, start, times};

fn recorded(recording: &Recording, code: i32) -> Result<Finished> {
    let slave = Slave::new(recording.session()?)?;
    let master = OurMaster::start(&[&slave], recording.conf()?)?;
    let mut peer = play_slave(recording, &slave, master.port())?;
    peer.expect_closed()?;
    let finished = master.ends_with(code)?;
    row(&finished, slave.address())?;
    Ok(finished)
}

#[test]
fn accepted() -> Result<()> {
    recorded(&Recording::accepted()?, 0)?;
    Ok(())
}

#[test]
fn declined() -> Result<()> {
    recorded(&Recording::declined()?, 4)?;
    Ok(())
}

#[test]
fn one_line() -> Result<()> {
    recorded(&Recording::oneline()?, 0)?;
    Ok(())
}

#[test]
fn every_slave_has_its_row() -> Result<()> {
    let (master, slaves) = party(4)?;
    let mut peers = join_all(&master, &slaves)?;
    for step in [accept_conf, start, finish] {
        peers.iter_mut().try_for_each(step)?;
    }
    for peer in &mut peers {
        peer.expect_closed()?;
    }
    let finished = master.ends_with(0)?;
    slaves.iter().try_for_each(|slave| row(&finished, slave.address()).map(drop))
}

#[test]
fn one_that_withholds_its_answer_does_not_keep_the_others_from_the_conf() -> Result<()> {
    let (master, slaves) = party(4)?;
    let mut peers = join_all(&master, &slaves)?;
    let (slow, quick) = peers.split_first_mut().context("four joined")?;
    quick.iter_mut().try_for_each(accept_conf)?;
    master.process().wait_for_count(" accepted the conf", quick.len())?;
    // The master handles the answers first and turns the stranger away afterwards.
    slaves[0].connect(master.port())?.expect_closed().context("one too many")?;
    for peer in quick.iter_mut() {
        peer.answer_probes_until_now().context("EXEC before all had accepted?")?;
    }
    accept_conf(slow)?;
    for step in [start, finish] {
        peers.iter_mut().try_for_each(step)?;
    }
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn one_that_withholds_exec_ok_does_not_keep_the_others_from_starting() -> Result<()> {
    let (master, slaves) = party(4)?;
    let mut peers = join_all(&master, &slaves)?;
    peers.iter_mut().try_for_each(accept_conf)?;
    let (slow, quick) = peers.split_first_mut().context("four joined")?;
    for step in [start, finish] {
        quick.iter_mut().try_for_each(step)?;
    }
    start(slow)?;
    finish(slow)?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn a_command_that_ends_at_once_is_reported() -> Result<()> {
    for round in 0..5 {
        let (master, slave) = pair()?;
        let mut peer = slave.join(master.port())?;
        accept_conf(&mut peer)?;
        peer.expect(Command::Exec)?;
        let end = [frame(slave.session(), Command::ExecOk, &[])?, frame(slave.session(), Command::Finishd, &times()?)?];
        peer.send_bytes(&end.concat())?;
        peer.expect_closed()?;
        master.ends_with(0).with_context(|| format!("session {round}"))?;
    }
    Ok(())
}

#[test]
fn messages_in_many_segments_are_put_together() -> Result<()> {
    let (master, slave) = pair()?;
    slave.await_invitation()?;
    let mut peer = slave.connect(master.port())?;
    peer.send_bytewise(Command::Reply, &[])?;
    peer.expect(Command::Probe)?;
    peer.send_bytewise(Command::Reply, &[])?;
    peer.expect_message(Command::Conf, CONF)?;
    peer.send_bytewise(Command::ConfOk, &[])?;
    peer.expect(Command::Exec)?;
    peer.send_bytewise(Command::ExecOk, &[])?;
    peer.send_bytewise(Command::Finishd, &times()?)?;
    peer.expect_closed()?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn invitations_go_out_once_a_second() -> Result<()> {
    let start = Instant::now();
    let (_master, slave) = pair()?;
    for _ in 0..4 {
        slave.await_invitation()?;
    }
    let taken = start.elapsed();
    ensure!(taken >= Duration::from_secs(3) && taken < Duration::from_secs(20), "four took {taken:?}");
    Ok(())
}
