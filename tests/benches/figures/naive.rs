//! The naive way: a bare EXEC to each slave in turn, as a master of version 1 does. To its advantage the slaves are ours,
//! which have the task loaded; an original slave forks and executes it only now.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::Result;
use synexec_proto::transport;
use synexec_tests::v1::{Command, Peer};

use crate::guests::Guests;

const PORT: u16 = 5165;

/// One session with all guests.
pub fn run(guests: &Guests) -> Result<()> {
    let conf = std::fs::read(&guests.conf)?;
    guests.control.enter(|| session(guests, &conf))
}

fn session(guests: &Guests, conf: &[u8]) -> Result<()> {
    let listener = transport::listen(Ipv4Addr::UNSPECIFIED, PORT)?;
    let inviter = UdpSocket::bind("0.0.0.0:0")?;
    inviter.set_broadcast(true)?;
    inviter.send_to(&[0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0], (guests.network.broadcast(), PORT))?;
    let peers = (0..guests.len()).map(|_| Peer::new(listener.accept()?.0, 0)).collect::<Result<Vec<_>>>();
    let mut peers = peers?;
    for peer in &mut peers {
        peer.expect_hello()?;
        peer.probe()?;
        peer.send(Command::Conf, conf)?;
    }
    peers.iter_mut().try_for_each(|peer| peer.expect(Command::ConfOk))?;
    peers.iter_mut().try_for_each(|peer| peer.send(Command::Exec, &[]))?;
    for peer in &mut peers {
        peer.expect(Command::ExecOk)?;
        peer.expect_finish()?;
    }
    Ok(())
}
