//! Corner cases in which our slave must act like the original slave.

use anyhow::{Context as _, Result};
use synexec_tests::v1::{Command, Peer, UNTIL_GO, frame};

use crate::pair;

/// Commands that no version defines.
const UNKNOWN: [u8; 5] = [11, 12, 15, 200, 255];

/// Commands that both peers must agree on first. This master has not announced any extension.
const EXTENSION: std::ops::Range<u8> = 16..64;

fn start(peer: &mut Peer) -> Result<()> {
    peer.send(Command::Exec, &[])?;
    peer.expect(Command::ExecOk)
}

#[test]
fn exec_before_conf_is_declined() -> Result<()> {
    let (master, _slave) = pair()?;
    let mut peer = master.accept_slave()?;
    peer.send(Command::Exec, &[])?;
    peer.expect(Command::ExecNo)?;
    peer.send(Command::Conf, b"/bin/true\n")?;
    peer.expect(Command::ConfOk)?;
    start(&mut peer)?;
    peer.expect_finish()?;
    Ok(())
}

#[test]
fn exec_while_running_is_declined() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.configure(UNTIL_GO)?;
    start(&mut peer)?;
    peer.send(Command::Exec, &[])?;
    peer.expect(Command::ExecNo)?;
    slave.let_go(&mut peer)?;
    peer.probe()
}

#[test]
fn exec_after_the_end_starts_again() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.configure(b"/bin/sh :CONF:\necho $$\n")?;
    let mut outputs = Vec::new();
    for round in 0..3 {
        start(&mut peer).with_context(|| format!("start {round}"))?;
        peer.expect_finish()?;
        outputs.push(String::from_utf8(slave.output()?)?);
    }
    assert!(outputs.iter().all(|output| output.lines().count() == 1), "an output file was not emptied: {outputs:?}");
    outputs.dedup();
    assert_eq!(outputs.len(), 3, "the task did not run again");
    Ok(())
}

#[test]
fn conf_again_replaces_the_first() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.configure(b"/bin/sh :CONF:\necho the first, which is longer\n")?;
    peer.send(Command::Conf, b"/bin/sh :CONF:\necho second\n")?;
    peer.expect(Command::ConfOk)?;
    start(&mut peer)?;
    peer.expect_finish()?;
    slave.expect_output("second\n")?;
    peer.send(Command::Conf, b"/bin/echo third")?;
    peer.expect(Command::ConfOk)?;
    start(&mut peer)?;
    peer.expect_finish()?;
    slave.expect_output("third\n")
}

#[test]
fn probe_while_running_is_answered() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.configure(UNTIL_GO)?;
    start(&mut peer)?;
    for _ in 0..5 {
        peer.probe()?;
    }
    slave.let_go(&mut peer)?;
    peer.probe()
}

fn ensure_ignored(peer: &mut Peer, commands: impl IntoIterator<Item = u8>) -> Result<()> {
    for command in commands {
        for length in [0, 1, 40, 65_535] {
            peer.send(command, &vec![0xa5; length])?;
            peer.probe().with_context(|| format!("after command {command} with {length} bytes"))?;
        }
    }
    Ok(())
}

#[test]
fn extensions_from_one_that_did_not_announce_itself_are_read_past() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.accept_slave()?;
    ensure_ignored(&mut peer, EXTENSION).context("before CONF")?;
    peer.send(Command::Conf, UNTIL_GO)?;
    peer.expect(Command::ConfOk)?;
    ensure_ignored(&mut peer, EXTENSION).context("before EXEC")?;
    start(&mut peer)?;
    peer.send(16, b"while it runs")?;
    peer.probe()?;
    slave.let_go(&mut peer)
}

#[test]
fn unknown_commands_are_read_past() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.accept_slave()?;
    ensure_ignored(&mut peer, UNKNOWN).context("before CONF")?;
    peer.send(Command::Conf, &[UNTIL_GO, b"echo done\n"].concat())?;
    peer.expect(Command::ConfOk)?;
    ensure_ignored(&mut peer, UNKNOWN).context("before EXEC")?;
    start(&mut peer)?;
    peer.send(200, b"while it runs")?;
    peer.probe()?;
    slave.let_go(&mut peer)?;
    ensure_ignored(&mut peer, UNKNOWN).context("after FINISHD")?;
    slave.expect_output("done\n")
}

#[test]
fn data_where_none_is_needed_are_read_past() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.accept()?;
    peer.expect_hello()?;
    for data in [&b"?"[..], b"no capability block at all", &vec![0; 65_535]] {
        peer.send(Command::Probe, data)?;
        peer.expect(Command::Reply)?;
    }
    peer.send(Command::Exec, b"too early")?;
    peer.expect(Command::ExecNo)?;
    peer.send(Command::Conf, b"/bin/echo done")?;
    peer.expect(Command::ConfOk)?;
    peer.send(Command::Exec, b"now, or whenever you like")?;
    peer.expect(Command::ExecOk)?;
    peer.expect_finish()?;
    slave.expect_output("done\n")
}

#[test]
fn messages_in_one_segment_are_taken_apart() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.accept()?;
    peer.expect_hello()?;
    let all = [(Command::Probe, &b""[..]), (Command::Conf, b"/bin/echo at once"), (Command::Exec, b"")];
    let frames: Result<Vec<_>> = all.iter().map(|(command, data)| frame(master.session(), *command, data)).collect();
    peer.send_bytes(&frames?.concat())?;
    for answer in [Command::Reply, Command::ConfOk, Command::ExecOk] {
        peer.expect(answer)?;
    }
    peer.expect_finish()?;
    slave.expect_output("at once\n")
}

#[test]
fn messages_in_many_segments_are_put_together() -> Result<()> {
    let (master, slave) = pair()?;
    let mut peer = master.accept()?;
    peer.expect_hello()?;
    peer.send_bytewise(Command::Probe, &[])?;
    peer.expect(Command::Reply)?;
    peer.send_bytewise(Command::Conf, b"/bin/echo bit by bit")?;
    peer.expect(Command::ConfOk)?;
    peer.send_bytewise(Command::Exec, &[])?;
    peer.expect(Command::ExecOk)?;
    peer.expect_finish()?;
    slave.expect_output("bit by bit\n")
}
