//! A scripted slave of version 1 and a real one of ours in one session.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use synexec_tests::v1::{Command, OurMaster, OurSlave, Peer, Slave, UNTIL_GO, fresh_session, row};

use crate::{CONF, accept_conf, finish, schema, start};

/// The address of the original slave. Our slave has 127.0.0.1.
const ORIGINAL: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

fn original() -> Result<Slave> {
    Slave::at(fresh_session(), ORIGINAL)
}

fn joined(conf: &[u8]) -> Result<(OurMaster, OurSlave, Peer)> {
    let original = original()?;
    let master = OurMaster::awaiting(2, &[&original], conf)?;
    let ours = OurSlave::dialling(original.session(), master.port())?;
    let peer = original.join(master.port())?;
    Ok((master, ours, peer))
}

#[test]
fn both_run() -> Result<()> {
    let (master, ours, mut peer) = joined(CONF)?;
    for step in [accept_conf, start, finish] {
        step(&mut peer)?;
    }
    peer.expect_closed()?;
    let finished = master.ends_with(0)?;
    ours.expect_output("hello\n")?;
    row(&finished, ORIGINAL)?;
    row(&finished, Ipv4Addr::LOCALHOST)?;
    Ok(())
}

#[test]
fn ours_fails() -> Result<()> {
    let conf = b"/bin/sh :CONF:\nexit 3\n";
    let (master, _ours, mut peer) = joined(conf)?;
    peer.answer_until(Command::Conf, conf)?;
    peer.send(Command::ConfOk, &[])?;
    start(&mut peer)?;
    finish(&mut peer)?;
    let finished = master.ends_with(1)?;
    row(&finished, ORIGINAL)?;
    row(&finished, Ipv4Addr::LOCALHOST)?;
    Ok(())
}

#[test]
fn the_original_vanishes_while_ours_runs() -> Result<()> {
    let conf = [UNTIL_GO, b"echo to the end\n"].concat();
    let (master, ours, mut peer) = joined(&conf)?;
    peer.answer_until(Command::Conf, &conf)?;
    peer.send(Command::ConfOk, &[])?;
    start(&mut peer)?;
    peer.close();
    master.process().wait_for(" is lost: ")?;
    fs::write(ours.work_dir().join("go"), "")?;
    master.ends_with(5)?;
    ours.expect_output("to the end\n")
}

#[test]
fn ours_declines() -> Result<()> {
    let (master, _ours, mut peer) = joined(b"/no/such/program\n")?;
    peer.answer_until(Command::Conf, b"/no/such/program\n")?;
    peer.send(Command::ConfOk, &[])?;
    peer.expect_closed()?;
    let finished = master.ends_with(4)?;
    row(&finished, ORIGINAL)?;
    row(&finished, Ipv4Addr::LOCALHOST)?;
    Ok(())
}

#[test]
fn a_report_of_both_keeps_to_the_schema() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (json, out) = (path("report.json"), path("out"));
    let original = original()?;
    let master = OurMaster::with_options(2, &[&original], CONF, &["--json", &json, "-o", &out])?;
    let _ours = OurSlave::dialling(original.session(), master.port())?;
    let mut peer = original.join(master.port())?;
    for step in [accept_conf, start, finish] {
        step(&mut peer)?;
    }
    master.ends_with(0)?;
    let report: Value = serde_json::from_str(&fs::read_to_string(json)?)?;
    schema::check(&report)?;
    let slaves = report["rounds"][0]["slaves"].as_array().context("no slaves")?;
    let of = |original: bool| slaves.iter().find(|slave| slave["original"] == original).context("one is not there");
    let (theirs, ours) = (of(true)?, of(false)?);
    ensure!(theirs["outcome"]["kind"] == "finished" && theirs["output"]["state"] == "unavailable", "{report:#}");
    ensure!(theirs["start"].is_null() && theirs["usage"].is_null() && theirs["elapsed_ns"] == 1_500_000, "{report:#}");
    ensure!(ours["outcome"]["kind"] == "exited" && ours["output"]["state"] == "stored", "{report:#}");
    Ok(())
}
