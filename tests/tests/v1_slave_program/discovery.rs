//! UDP: which probes the slave answers by a connection, and which not.

use std::net::Ipv4Addr;

use anyhow::Result;
use synexec_tests::v1::{Command, Decoy, Master, OurSlave, UNTIL_GO, VERSION, fresh_session, header};

use crate::{ensure_back, pair};

/// Checks that the slave connects to the master only. The decoy's datagrams come first: a slave that accepts one
/// connects to the decoy.
fn ensure_only_master_heeded(master: &Master, decoy: &Decoy, datagrams: &[Vec<u8>]) -> Result<()> {
    let call = || {
        datagrams.iter().try_for_each(|datagram| decoy.broadcast(datagram))?;
        master.invite()
    };
    let mut peer = master.accept_after(call)?;
    peer.expect_hello()?;
    peer.probe()?;
    peer.close();
    decoy.ensure_nobody_called()
}

#[test]
fn a_longer_probe_counts() -> Result<()> {
    let (master, _slave) = pair()?;
    let bare = master.invitation()?;
    for more in [1, 11, 500] {
        let datagram = [&bare[..], &vec![0xa5; more]].concat();
        master.accept_after(|| master.broadcast(&datagram))?.expect_hello()?;
    }
    Ok(())
}

#[test]
fn a_longer_probe_that_promises_data_counts() -> Result<()> {
    let (master, _slave) = pair()?;
    let promise = header(VERSION, master.session(), Command::Probe, 5);
    let datagram = [&promise[..], b"hello"].concat();
    master.accept_after(|| master.broadcast(&datagram))?.expect_hello()?;
    Ok(())
}

#[test]
fn a_shorter_probe_does_not_count() -> Result<()> {
    let (master, _slave) = pair()?;
    let bare = master.invitation()?;
    let short: Vec<_> = (0..bare.len()).map(|length| bare[..length].to_vec()).collect();
    ensure_only_master_heeded(&master, &master.decoy()?, &short)
}

#[test]
fn foreign_datagrams_do_not_count() -> Result<()> {
    let (master, _slave) = pair()?;
    let session = master.session();
    let mut foreign = vec![
        header(2, session, Command::Probe, 0).to_vec(),
        header(VERSION.swap_bytes(), session, Command::Probe, 0).to_vec(),
        header(VERSION, session ^ 1, Command::Probe, 0).to_vec(),
    ];
    let others = [Command::Reply, Command::Conf, Command::Exec, Command::Finishd];
    foreign.extend(others.map(|command| header(VERSION, session, command, 0).to_vec()));
    foreign.push(header(VERSION, session, 200, 0).to_vec());
    ensure_only_master_heeded(&master, &master.decoy()?, &foreign)
}

#[test]
fn a_probe_counts_however_it_was_addressed() -> Result<()> {
    let (master, _slave) = pair()?;
    let invitation = master.invitation()?;
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 255, 255, 255)] {
        master.accept_after(|| master.send_to(address, &invitation))?.expect_hello()?;
    }
    Ok(())
}

#[test]
fn a_connected_slave_ignores_probes() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.configure(UNTIL_GO)?;
    for order in [Command::Exec, Command::Probe, Command::Probe] {
        for _ in 0..5 {
            master.invite()?;
        }
        peer.send(order, &[])?;
        peer.expect(if order == Command::Exec { Command::ExecOk } else { Command::Reply })?;
    }
    slave.let_go(&mut peer)?;
    peer.close();
    // The slave reads datagrams in order of arrival, and connects to the sender of the first valid one.
    let decoy = master.decoy()?;
    decoy.wait_for_caller(|| decoy.broadcast(&master.invitation()?))?;
    master.ensure_nobody_waits()?;
    ensure_back(&master)
}

#[test]
fn several_slaves_hear_one_probe() -> Result<()> {
    let master = Master::listen(fresh_session())?;
    let _slaves = [OurSlave::listening(&master)?, OurSlave::listening(&master)?, OurSlave::listening(&master)?];
    let mut peers = [master.accept()?, master.accept()?, master.accept()?];
    for peer in &mut peers {
        peer.expect_hello()?;
        peer.probe()?;
    }
    Ok(())
}

#[test]
fn a_named_master_is_dialled_without_a_probe() -> Result<()> {
    let master = Master::listen(fresh_session())?;
    let slave = OurSlave::dialling(master.session(), master.port())?;
    for text in ["once", "twice"] {
        let mut peer = master.accept_after(|| Ok(()))?;
        peer.expect_hello()?;
        peer.probe()?;
        peer.send(Command::Conf, format!("/bin/echo {text}").as_bytes())?;
        peer.expect(Command::ConfOk)?;
        peer.send(Command::Exec, &[])?;
        peer.expect(Command::ExecOk)?;
        peer.expect_finish()?;
        slave.expect_output(format!("{text}\n"))?;
    }
    Ok(())
}
