//! Our master with scripted slaves of version 1.

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

/// A conf that the master accepts. No scripted slave runs it.
const CONF: &[u8] = b"/bin/sh :CONF:\necho hello\n";

/// A scripted slave, and our master, which waits for this slave only.
fn pair() -> Result<(OurMaster, Slave)> {
    let slave = Slave::new(fresh_session())?;
    Ok((OurMaster::start(&[&slave], CONF)?, slave))
}

/// Our master, and the scripted slaves that it waits for.
fn party(count: u8) -> Result<(OurMaster, Vec<Slave>)> {
    let slaves = Slave::several(fresh_session(), count)?;
    let named: Vec<&Slave> = slaves.iter().collect();
    Ok((OurMaster::start(&named, CONF)?, slaves))
}

/// Lets all slaves join. The next message of each is CONF.
fn join_all(master: &OurMaster, slaves: &[Slave]) -> Result<Vec<Peer>> {
    let peers: Result<Vec<Peer>> = slaves.iter().map(|slave| slave.hello(master.port())).collect();
    let mut peers = peers?;
    peers.iter_mut().try_for_each(Peer::answer_probe)?;
    Ok(peers)
}

/// Lets all slaves join and accept the conf.
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

/// Goes through the rest of a successful session, from CONF on.
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
