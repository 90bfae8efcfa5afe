//! Our master, which runs scripted slaves of version 1.

mod corners;
mod ends;
mod join;
mod large;
mod mixed;
mod session;

#[path = "../schema/mod.rs"]
mod schema;

use std::time::Duration;

use anyhow::Result;
use synexec_tests::v1::{Command, Finish, OurMaster, Peer, Slave, fresh_session};

/// A conf that is fine for the master; no scripted slave runs it.
const CONF: &[u8] = b"/bin/sh :CONF:\necho hello\n";

/// A scripted slave, and our master that awaits it alone.
fn pair() -> Result<(OurMaster, Slave)> {
    let slave = Slave::new(fresh_session())?;
    Ok((OurMaster::start(&[&slave], CONF)?, slave))
}

/// Our master, and so many scripted slaves that it awaits.
fn party(count: u8) -> Result<(OurMaster, Vec<Slave>)> {
    let slaves = Slave::several(fresh_session(), count)?;
    let named: Vec<&Slave> = slaves.iter().collect();
    Ok((OurMaster::start(&named, CONF)?, slaves))
}

/// All of them join; they are at their CONF now.
fn join_all(master: &OurMaster, slaves: &[Slave]) -> Result<Vec<Peer>> {
    let peers: Result<Vec<Peer>> = slaves.iter().map(|slave| slave.hello(master.port())).collect();
    let mut peers = peers?;
    peers.iter_mut().try_for_each(Peer::answer_probe)?;
    Ok(peers)
}

/// All of them join and accept the conf.
fn configure_all(master: &OurMaster, slaves: &[Slave]) -> Result<Vec<Peer>> {
    let mut peers = join_all(master, slaves)?;
    peers.iter_mut().try_for_each(accept_conf)?;
    Ok(peers)
}

fn accept_conf(peer: &mut Peer) -> Result<()> {
    peer.answer_until(Command::Conf, CONF)?;
    peer.send(Command::ConfOk, &[])
}

fn start(peer: &mut Peer) -> Result<()> {
    peer.answer_until(Command::Exec, &[])?;
    peer.send(Command::ExecOk, &[])
}

fn finish(peer: &mut Peer) -> Result<()> {
    peer.send(Command::Finishd, &times()?)
}

/// The rest of a session, from CONF on, done well.
fn do_well(peer: &mut Peer) -> Result<()> {
    accept_conf(peer)?;
    start(peer)?;
    finish(peer)?;
    peer.expect_closed()
}

/// The data of a FINISHD.
fn times() -> Result<Vec<u8>> {
    let started = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH)?;
    Finish { started, finished: started + Duration::from_micros(1500) }.encode()
}
