//! Confs at and above the largest size of one message of version 1: 65,535 bytes.

use anyhow::{Context as _, Result, ensure};
use synexec_tests::process::Finished;
use synexec_tests::v1::{Command, OurMaster, OurSlave, Slave, fresh_session, row};

use crate::{finish, start};

const LONGEST: usize = 65_535;

fn conf_of(length: usize) -> Vec<u8> {
    let mut conf = b"/usr/bin/wc -c :CONF:\n".to_vec();
    conf.resize(length, b'x');
    conf
}

fn is_refused(master: &OurMaster) -> Result<Finished> {
    let finished = master.process().wait()?;
    let said = format!("{}{}", finished.stdout, finished.stderr);
    ensure!(finished.code().is_some_and(|code| code != 0), "ended with {}\n{said}", finished.status);
    ensure!(said.replace(',', "").contains("65535"), "the message does not name the limit:\n{said}");
    println!("{}:\n{said}", finished.status);
    Ok(finished)
}

#[test]
fn the_longest_conf_goes_whole() -> Result<()> {
    let slave = Slave::new(fresh_session())?;
    let conf = conf_of(LONGEST);
    let master = OurMaster::start(&[&slave], &conf)?;
    let mut peer = slave.join(master.port())?;
    peer.expect_message(Command::Conf, &conf)?;
    peer.send(Command::ConfOk, &[])?;
    start(&mut peer)?;
    finish(&mut peer)?;
    master.ends_with(0)?;
    Ok(())
}

#[test]
fn a_longer_one_is_refused_and_not_cut_short() -> Result<()> {
    for length in [LONGEST + 1, 70_028, 1_000_000] {
        let slave = Slave::new(fresh_session())?;
        let master = OurMaster::start(&[&slave], &conf_of(length))?;
        let mut peer = slave.join(master.port())?;
        peer.expect_closed().with_context(|| format!("a conf of {length} bytes"))?;
        row(&is_refused(&master)?, slave.address())?;
    }
    Ok(())
}

#[test]
fn a_longer_one_runs_nowhere_when_one_slave_cannot_take_it() -> Result<()> {
    let original = Slave::at(fresh_session(), [127, 0, 0, 11].into())?;
    let master = OurMaster::awaiting(2, &[&original], &conf_of(300_000))?;
    let ours = OurSlave::dialling(original.session(), master.port())?;
    original.join(master.port())?.answer_until_closed()?;
    is_refused(&master)?;
    ensure!(!ours.output_path().exists() || ours.output()?.is_empty(), "the task ran on the other slave");
    Ok(())
}
