//! The ends of sessions, and the master's exit status.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::v1::{Command, row};

use crate::{CONF, accept_conf, configure_all, finish, join_all, pair, party, start};

/// A time well above the 30 s after which a silent slave is lost.
const MUTE: Duration = Duration::from_secs(50);

#[test]
fn one_that_declines_ends_the_session_before_anything_runs() -> Result<()> {
    let (master, slaves) = party(2)?;
    let mut peers = join_all(&master, &slaves)?;
    accept_conf(&mut peers[0])?;
    peers[1].answer_until(Command::Conf, CONF)?;
    peers[1].send(Command::ConfNo, &[])?;
    for peer in &mut peers {
        peer.expect_closed()?;
    }
    let finished = master.ends_with(4)?;
    slaves.iter().try_for_each(|slave| row(&finished, slave.address()).map(drop))
}

#[test]
fn a_reason_from_one_that_never_announced_itself_does_no_harm() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = slave.join(master.port())?;
    peer.expect_message(Command::Conf, CONF)?;
    peer.send(Command::ConfNo, b"\xff\x00 because")?;
    peer.expect_closed()?;
    row(&master.ends_with(4)?, slave.address())?;
    Ok(())
}

#[test]
fn one_that_will_not_start_is_told_of() -> Result<()> {
    let (master, slaves) = party(2)?;
    let mut peers = configure_all(&master, &slaves)?;
    peers[0].expect(Command::Exec)?;
    peers[0].send(Command::ExecNo, &[])?;
    start(&mut peers[1])?;
    finish(&mut peers[1])?;
    let finished = master.process().wait()?;
    let code = finished.code();
    ensure!(code == Some(4), "exit status {code:?}\nstdout:\n{}\nstderr:\n{}", finished.stdout, finished.stderr);
    slaves.iter().try_for_each(|slave| row(&finished, slave.address()).map(drop))
}

#[test]
fn one_that_vanishes_before_its_conf_is_accepted_is_lost() -> Result<()> {
    let (master, slaves) = party(2)?;
    let mut peers = join_all(&master, &slaves)?;
    let mut leaver = peers.remove(0);
    leaver.answer_until(Command::Conf, CONF)?;
    leaver.close();
    accept_conf(&mut peers[0])?;
    peers[0].expect_closed().context("nobody may start when one is lost")?;
    let finished = master.ends_with(5)?;
    slaves.iter().try_for_each(|slave| row(&finished, slave.address()).map(drop))
}

#[test]
fn one_that_vanishes_while_running_is_lost_and_the_others_are_awaited() -> Result<()> {
    let (master, slaves) = party(3)?;
    let mut peers = configure_all(&master, &slaves)?;
    peers.iter_mut().try_for_each(start)?;
    peers.remove(1).close();
    master.process().wait_for(" is lost: ")?;
    for peer in &mut peers {
        peer.answer_probes_until_now().context("one was lost, not this one")?;
    }
    peers.iter_mut().try_for_each(finish)?;
    let finished = master.ends_with(5)?;
    let lost = row(&finished, slaves[1].address())?;
    ensure!(lost.contains("lost"), "the row of the slave that vanished: {lost}");
    for there in [&slaves[0], &slaves[2]] {
        let ended = row(&finished, there.address())?;
        ensure!(!ended.contains("lost"), "the row of a slave that finished: {ended}");
    }
    Ok(())
}

#[test]
fn one_that_leaves_after_its_finish_is_not_lost() -> Result<()> {
    let (master, slaves) = party(2)?;
    let mut peers = configure_all(&master, &slaves)?;
    peers.iter_mut().try_for_each(start)?;
    let mut early = peers.remove(0);
    finish(&mut early)?;
    early.hang_up().context("the master closes its end too")?;
    peers[0].answer_probes_until_now()?;
    finish(&mut peers[0])?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn one_that_goes_silent_is_lost_and_one_that_answers_is_not() -> Result<()> {
    let (master, slaves) = party(2)?;
    let mut peers = configure_all(&master, &slaves)?;
    peers.iter_mut().try_for_each(start)?;
    let mut mute = peers.remove(0);
    let watch = thread::spawn(move || mute.stay_mute(MUTE));
    while !watch.is_finished() {
        peers[0].answer_probes_for(Duration::from_millis(200))?;
    }
    watch.join().expect("the watch ended")?;
    finish(&mut peers[0])?;
    let finished = master.ends_with(5)?;
    ensure!(row(&finished, slaves[0].address())?.contains("lost"), "no lost row:\n{}", finished.stdout);
    ensure!(!row(&finished, slaves[1].address())?.contains("lost"), "both lost:\n{}", finished.stdout);
    Ok(())
}

#[test]
fn an_interrupt_while_slaves_are_awaited() -> Result<()> {
    let (master, slave) = pair()?;
    slave.await_invitation()?;
    master.interrupt()?;
    master.ends_with(130)?;
    Ok(())
}

#[test]
fn an_interrupt_while_tasks_run() -> Result<()> {
    let (master, slaves) = party(2)?;
    let mut peers = configure_all(&master, &slaves)?;
    peers.iter_mut().try_for_each(start)?;
    finish(&mut peers[0])?;
    master.interrupt()?;
    peers[1].expect_closed()?;
    let finished = master.ends_with(130)?;
    slaves.iter().try_for_each(|slave| row(&finished, slave.address()).map(drop))
}

#[test]
fn a_termination_while_a_conf_is_awaited() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = slave.join(master.port())?;
    peer.expect_message(Command::Conf, CONF)?;
    master.process().signal(Signal::SIGTERM)?;
    peer.expect_closed()?;
    master.ends_with(143)?;
    Ok(())
}
