//! Messages that are longer than the master keeps: the beginning counts, and nothing is invented.

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;
use synexec_tests::v1::Command;

use crate::raw_peer::{CONF_BEGIN, CONF_PARTS, REASONS, RawPeer, TASK_ENDED, TASK_HAS_ENDED, field};

pub const TESTS: &[(&str, Test)] = &[
    ("overlong::a_reason_that_is_too_long_is_cut", a_reason_that_is_too_long_is_cut),
    ("overlong::a_hello_with_a_name_that_is_too_long_counts", a_hello_with_a_name_that_is_too_long_counts),
    ("overlong::a_task_that_ended_counts_though_its_path_is_too_long", a_task_that_ended_counts),
    ("overlong::a_message_without_what_it_needs_is_an_error", a_message_without_what_it_needs),
];

/// Bytes of a field that makes its message too long.
const LONG: usize = 65_000;

/// A master, and one slave that is scripted and has joined.
struct Scene {
    fleet: Fleet,
    master: Process,
    peer: RawPeer,
}

impl Scene {
    fn new(features: u64) -> Result<Self> {
        let fleet = Fleet::new(1)?;
        let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &[])?;
        master.wait_for("listening on ")?;
        let peer = RawPeer::join(&fleet.guests[0], &fleet, features)?;
        Ok(Self { fleet, master, peer })
    }

    /// The peer accepts the conf and starts the task, as a slave does that holds no task.
    fn start(&mut self) -> Result<()> {
        self.peer.await_command(CONF_BEGIN)?;
        self.peer.send(Command::ConfOk, &[])?;
        self.peer.await_command(Command::Exec)?;
        self.peer.send(Command::ExecOk, &[])
    }
}

fn a_reason_that_is_too_long_is_cut() -> Result<()> {
    let mut scene = Scene::new(CONF_PARTS | REASONS)?;
    scene.peer.await_command(CONF_BEGIN)?;
    let text = [&b"the disk of this host is full, and "[..], &vec![b'x'; LONG]].concat();
    scene.peer.send(Command::ConfNo, &field(1, &text))?;
    let finished = scene.master.wait()?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    let told = "declined: the disk of this host is full, and xxxxx";
    ensure!(
        finished.stderr.contains(told) && row(&finished, "rude")?.contains("the disk of this host"),
        "{finished:?}"
    );
    ensure!(!finished.stderr.contains(&"x".repeat(501)), "a text has at most 500 characters: {finished:?}");
    drop(scene.fleet);
    Ok(())
}

fn a_hello_with_a_name_that_is_too_long_counts() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &[])?;
    master.wait_for("listening on ")?;
    let mut peer = RawPeer::dial(&fleet.guests[0], &fleet)?;
    let hello = [&b"SYNX\0\x01"[..], &(CONF_PARTS | REASONS).to_be_bytes(), &field(1, &vec![b'n'; LONG])].concat();
    peer.send(Command::Reply, &hello)?;
    let answer = peer.await_command(Command::Probe)?;
    ensure!(answer.starts_with(b"SYNX"), "the master takes the peer for an original slave: {answer:?}");
    peer.send(Command::Reply, &[])?;
    master.wait_for(&format!("{} (10.77.0.2) joined: 1 of 1", "n".repeat(500)))?;
    Ok(())
}

/// The first five fields are those that a report of the end must have.
fn end_of_task() -> Vec<u8> {
    let times = (1..=4).flat_map(|tag| field(tag, &u64::from(tag).to_be_bytes()));
    times.chain(field(5, &[0, 3])).collect()
}

fn a_task_that_ended_counts() -> Result<()> {
    let mut scene = Scene::new(CONF_PARTS | TASK_ENDED)?;
    scene.start()?;
    let path = [&b"/work/"[..], &vec![b'o'; LONG]].concat();
    let data = [end_of_task(), field(11, &7_u64.to_be_bytes()), field(12, &path)].concat();
    scene.peer.send(TASK_HAS_ENDED, &data)?;
    let finished = scene.master.wait()?;
    ensure!(finished.code() == Some(1) && row(&finished, "rude")?.contains("exited 3"), "{finished:?}");
    Ok(())
}

/// A field that nobody knows pushes the others out of the part that is kept.
fn a_message_without_what_it_needs() -> Result<()> {
    let mut scene = Scene::new(CONF_PARTS | TASK_ENDED)?;
    scene.start()?;
    scene.peer.send(TASK_HAS_ENDED, &[field(900, &vec![0; LONG]), end_of_task()].concat())?;
    let finished = scene.master.wait()?;
    let why =
        "the slave's TaskEnded cannot be read: the message is too long, and field 1 is not in the part that is kept";
    ensure!(finished.code() == Some(5) && row(&finished, "rude")?.contains(why), "{finished:?}");
    Ok(())
}
