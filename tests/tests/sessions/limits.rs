//! Peers that take more than their share of connections, time or work. They are dropped, and the others are not
//! harmed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use synexec_proto::text::TEXT_MAX;
use synexec_tests::fleet::{Fleet, left_in, row, rows, slave_on};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;
use synexec_tests::report::only_round;
use synexec_tests::v1::Command;

use crate::keys::key_file;
use crate::raw_peer::{CONF_BEGIN, CONF_PARTS, FETCH, OUTPUTS, RawPeer, TASK_ENDED, TASK_HAS_ENDED, field};

pub const TESTS: &[(&str, Test)] = &[
    ("limits::a_thousand_silent_connections_keep_no_slave_out", a_thousand_silent_connections),
    ("limits::a_slave_takes_confs_up_to_its_limit", a_slave_takes_confs_up_to_its_limit),
    ("limits::an_originals_conf_has_the_same_limit", an_originals_conf_has_the_same_limit),
    ("limits::the_longest_name_is_one", the_longest_name_is_one),
    ("limits::a_peer_that_says_hello_a_byte_a_second_is_dropped", a_peer_says_hello_a_byte_a_second),
    ("limits::a_slave_that_sends_a_byte_a_second_is_dropped", a_slave_sends_a_byte_a_second),
    ("limits::a_slave_that_does_not_read_its_conf_is_given_up", a_slave_does_not_read_its_conf),
    ("limits::a_slave_that_withholds_its_output_is_given_up", a_slave_withholds_its_output),
    ("limits::an_output_without_end_is_cut", an_output_without_end_is_cut),
    ("limits::a_master_that_does_not_read_the_output_is_left", a_master_that_does_not_read_the_output),
    ("limits::a_peer_that_floods_instead_of_saying_hello_is_dropped", a_peer_floods_instead_of_saying_hello),
    ("limits::a_slave_that_floods_before_the_start_is_dropped", a_slave_floods_before_the_start),
    ("limits::a_slave_that_floods_while_tasks_run_is_lost_alone", a_slave_floods_while_tasks_run),
    ("limits::a_master_that_floods_is_left", a_master_that_floods),
    ("limits::a_master_that_floods_is_left", a_master_that_floods_with_what_is_not_answered),
    ("limits::a_master_that_sends_a_byte_a_second_is_left", a_master_that_sends_a_byte_a_second),
];

const SILENT: usize = 1000;

/// Time within which a real slave joins.
const SOON: Duration = Duration::from_secs(2);

const UNTIL_GO: &str = "/bin/sh :CONF:\nuntil [ -e go ]; do [ -d \"$PWD\" ] || exit 8; sleep 0.05; done\n";

const IMPATIENT: [&str; 4] = ["--lost-after", "3", "--reconnect", "1"];

fn a_slave_takes_confs_up_to_its_limit() -> Result<()> {
    const LIMIT: usize = 100_000;
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &["--max-conf", &LIMIT.to_string()])?;
    let line = &b"/bin/cat :CONF:\n"[..];
    let of_length = |length| fleet.conf([line, &vec![b'x'; length - line.len()]].concat());
    let finished = fleet.master(1, &of_length(LIMIT)?, &[])?.wait()?;
    ensure!(finished.code() == Some(0) && fleet.output(0)?.len() == LIMIT - line.len(), "{finished:?}");
    let finished = fleet.master(1, &of_length(LIMIT + 1)?, &[])?.wait()?;
    let declined = row(&finished, "vm0")?;
    ensure!(finished.code() == Some(4) && declined.contains("at most 100000 (--max-conf)"), "{finished:?}");
    Ok(())
}

fn an_originals_conf_has_the_same_limit() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = fleet.slave(0, &["--max-conf", "10"])?;
    for (conf, answer) in [(&b"/bin/true\n"[..], Command::ConfOk), (b"/bin/true \n", Command::ConfNo)] {
        let mut original = RawPeer::invite(&fleet, 0)?;
        original.send(Command::Conf, conf)?;
        original.await_command(answer)?;
    }
    Ok(())
}

/// The longest name has four bytes for each of its characters.
fn the_longest_name_is_one() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let name = "\u{1d400}".repeat(TEXT_MAX);
    let key = key_file(&fleet, "key", "a secret of some length")?;
    for options in [&[][..], &["-k", &key]] {
        let slave = slave_on(&fleet.guests[0], &name, options)?;
        let finished = fleet.master(1, &fleet.conf("/bin/true\n")?, options)?.wait()?;
        ensure!(finished.code() == Some(0), "{finished:?}");
        let round = only_round(&fleet.control)?;
        let row = &round.slave(&name)?.all;
        ensure!(row["original"] == false && row["outcome"]["succeeded"] == true, "{row:#}");
        slave.signal(Signal::SIGTERM)?;
        slave.wait()?;
    }
    Ok(())
}

/// Up to three tries, because the machine may be busy.
fn a_thousand_silent_connections() -> Result<()> {
    synexec_host::limits::raise_open_files();
    let took = (0..3).map(|_| joining_among_a_thousand()).collect::<Result<Vec<_>>>()?;
    let in_time = took.iter().filter(|took| **took <= SOON).count();
    ensure!(in_time >= 2, "among {SILENT} silent ones it took {took:?} to join");
    Ok(())
}

/// The strangers come before the slave, and more come all the time.
fn joining_among_a_thousand() -> Result<Duration> {
    let fleet = Fleet::new(2)?;
    let master = fleet.master(1, &fleet.conf("/bin/true\n")?, &[])?;
    master.wait_for("listening on ")?;
    let silent: Vec<_> = (0..SILENT).map(|_| RawPeer::dial(&fleet.guests[1], &fleet)).collect::<Result<_>>()?;
    let enough = AtomicBool::new(false);
    let took = thread::scope(|scope| {
        let more = scope.spawn(|| {
            let dial = || RawPeer::dial(&fleet.guests[1], &fleet);
            (0..SILENT).take_while(|_| !enough.load(Ordering::Relaxed)).map(|_| dial()).collect::<Result<Vec<_>>>()
        });
        let took = time_to_join(&fleet, &master);
        enough.store(true, Ordering::Relaxed);
        // The master may have all its slaves already and be gone.
        drop(more.join());
        took
    })?;
    drop(silent);
    ensure!(master.wait()?.code() == Some(0));
    Ok(took)
}

fn time_to_join(fleet: &Fleet, master: &Process) -> Result<Duration> {
    let since = Instant::now();
    let slave = fleet.slave(0, &[])?;
    master.wait_for("vm0 (10.77.0.2) joined: 1 of 1")?;
    let took = since.elapsed();
    master.wait()?;
    drop(slave);
    Ok(took)
}

/// A session of two slaves, with a rude peer on the third guest.
struct Rude {
    fleet: Fleet,
    master: Process,
    slaves: Vec<Process>,
}

impl Rude {
    /// A master that waits for two.
    fn new(conf: impl AsRef<[u8]>) -> Result<Self> {
        Self::with_options(conf, &IMPATIENT)
    }

    fn with_options(conf: impl AsRef<[u8]>, options: &[&str]) -> Result<Self> {
        let fleet = Fleet::new(3)?;
        let master = fleet.master(2, &fleet.conf(conf)?, options)?;
        master.wait_for("listening on ")?;
        Ok(Self { fleet, master, slaves: Vec::new() })
    }

    fn dial(&self) -> Result<RawPeer> {
        RawPeer::dial(&self.fleet.guests[2], &self.fleet)
    }

    fn join(&self, features: u64) -> Result<RawPeer> {
        let peer = RawPeer::join(&self.fleet.guests[2], &self.fleet, features)?;
        self.master.wait_for("(10.77.0.4) joined")?;
        Ok(peer)
    }

    fn start_slave(&mut self, guest: usize) -> Result<()> {
        self.slaves.push(self.fleet.slave(guest, &IMPATIENT)?);
        Ok(())
    }

    /// Checks that the other slaves complete their session.
    fn succeeds_without(mut self) -> Result<()> {
        self.start_slave(0)?;
        self.start_slave(1)?;
        let finished = self.master.wait()?;
        ensure!(finished.code() == Some(0) && rows(&finished, "exited").len() == 2, "{finished:?}");
        Ok(())
    }

    /// Checks that the other slaves serve the next session.
    fn goes_on_without(self) -> Result<()> {
        let finished = self.fleet.master(self.slaves.len(), &self.fleet.conf("/bin/true\n")?, &[])?.wait()?;
        ensure!(finished.code() == Some(0), "{finished:?}");
        Ok(())
    }
}

fn a_peer_says_hello_a_byte_a_second() -> Result<()> {
    let rude = Rude::new("/bin/true\n")?;
    rude.dial()?.trickle()?;
    rude.succeeds_without()
}

fn a_slave_sends_a_byte_a_second() -> Result<()> {
    let rude = Rude::new("/bin/true\n")?;
    rude.join(0)?.trickle()?;
    rude.master.wait_for("is gone: ")?;
    rude.succeeds_without()
}

fn a_peer_floods_instead_of_saying_hello() -> Result<()> {
    let rude = Rude::new("/bin/true\n")?;
    rude.dial()?.flood(Command::Finishd, || false)?;
    rude.succeeds_without()
}

fn a_slave_floods_before_the_start() -> Result<()> {
    let rude = Rude::new("/bin/true\n")?;
    rude.join(0)?.flood(Command::Reply, || false)?;
    rude.master.wait_for("is gone: ")?;
    rude.succeeds_without()
}

/// Before the start the session needs all slaves, so it may be called off, but within this time.
fn a_slave_does_not_read_its_conf() -> Result<()> {
    let mut rude = Rude::new([b"/bin/true\n", &vec![b'#'; 32 << 20][..]].concat())?;
    let mut deaf = rude.join(CONF_PARTS)?;
    rude.start_slave(0)?;
    deaf.await_command(CONF_BEGIN)?;
    let since = Instant::now();
    let finished = rude.master.wait()?;
    ensure!(since.elapsed() < Duration::from_secs(15), "given up after {:?}", since.elapsed());
    ensure!(finished.code() == Some(5) && row(&finished, "rude")?.contains("lost after"), "{finished:?}");
    ensure!(row(&finished, "vm0")?.contains("cancelled"), "{finished:?}");
    rude.goes_on_without()
}

/// A session with running tasks on `vm0` and on the rude peer, which runs nothing.
fn running(rude: &mut Rude, features: u64) -> Result<RawPeer> {
    let mut peer = rude.join(features)?;
    rude.start_slave(0)?;
    peer.await_command(Command::Conf)?;
    peer.send(Command::ConfOk, &[])?;
    peer.await_command(Command::Exec)?;
    peer.send(Command::ExecOk, &[])?;
    Ok(peer)
}

fn let_go(rude: &Rude) -> Result<()> {
    Ok(std::fs::write(rude.fleet.guests[0].dir().join("go"), "")?)
}

fn a_slave_floods_while_tasks_run() -> Result<()> {
    let mut rude = Rude::new(UNTIL_GO)?;
    running(&mut rude, 0)?.flood(Command::Running, || false)?;
    rude.master.wait_for("(10.77.0.4) is lost")?;
    let_go(&rude)?;
    let finished = rude.master.wait()?;
    ensure!(finished.code() == Some(5) && row(&finished, "vm0")?.contains("exited 0"), "{finished:?}");
    rude.goes_on_without()
}

/// The peer announces a large output, and then neither reads nor sends.
fn a_slave_withholds_its_output() -> Result<()> {
    let mut rude = Rude::with_options("/bin/echo here\n", &[&IMPATIENT[..], &["-o", "out"]].concat())?;
    let mut deaf = running(&mut rude, TASK_ENDED | OUTPUTS)?;
    deaf.send(TASK_HAS_ENDED, &ended_with_output(1 << 30))?;
    deaf.await_command(FETCH)?;
    let finished = rude.master.wait()?;
    ensure!(finished.code() == Some(5) && row(&finished, "rude")?.contains("exited 0"), "{finished:?}");
    let round = only_round(&rude.fleet.control)?;
    ensure!(round.slave("rude")?.all["output"]["state"] == "failed", "{round:?}");
    ensure!(round.slave("vm0")?.all["output"]["state"] == "stored", "{round:?}");
    rude.goes_on_without()
}

/// The peer announces an output without end, and sends all bytes that the master asks for.
fn an_output_without_end_is_cut() -> Result<()> {
    const MOST: u64 = 3 << 20;
    let options = [&IMPATIENT[..], &["-o", "out", "--max-output", "3M"]].concat();
    let mut rude = Rude::with_options("/bin/echo here\n", &options)?;
    let mut liar = running(&mut rude, TASK_ENDED | OUTPUTS)?;
    liar.send(TASK_HAS_ENDED, &ended_with_output(u64::MAX))?;
    let liar = thread::spawn(move || liar.give_without_end(8 * MOST));
    rude.master.wait_for("the output is longer than 3.0 MiB (--max-output)")?;
    let finished = rude.master.wait()?;
    let given = liar.join().map_err(|_| anyhow::anyhow!("the peer panicked"))??;
    ensure!(given == MOST + 1, "the master has asked for {given} bytes");
    let its = row(&finished, "rude")?;
    ensure!(finished.code() == Some(5) && its.contains("exited 0") && its.contains("was cut"), "{finished:?}");
    let round = only_round(&rude.fleet.control)?;
    let output = &round.slave("rude")?.all["output"];
    let file = std::path::Path::new(output["file"].as_str().unwrap_or_default());
    ensure!(output["state"] == "cut" && output["kept_at"] == "/out" && output["blake3"].is_null(), "{output}");
    ensure!(file.extension().is_some_and(|end| end == "cut") && file.metadata()?.len() == MOST, "{output}");
    ensure!(round.slave("vm0")?.all["output"]["state"] == "stored", "{round:?}");
    let files = left_in(&rude.fleet.control.dir().join("out"))?;
    ensure!(files.len() == 2, "{files:?}");
    rude.goes_on_without()
}

/// The data of `TASK_ENDED` for a task that exited 0 and has written this many bytes.
fn ended_with_output(length: u64) -> Vec<u8> {
    let times = (1..=4).flat_map(|tag| field(tag, &1_u64.to_be_bytes())).collect();
    [times, field(5, &[0, 0]), field(11, &length.to_be_bytes()), field(12, b"/out")].concat()
}

/// A slave with a large output, and a scripted master that asks for the whole output at once.
fn a_master_that_does_not_read_the_output() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &IMPATIENT)?;
    let mut deaf = RawPeer::invite(&fleet, TASK_ENDED | OUTPUTS)?;
    deaf.send(Command::Conf, b"/usr/bin/head -c 67108864 /dev/zero\n")?;
    deaf.await_command(Command::ConfOk)?;
    deaf.send(Command::Exec, &[])?;
    deaf.await_command(TASK_HAS_ENDED)?;
    deaf.send(FETCH, &[field(1, &0_u64.to_be_bytes()), field(2, &(64_u32 << 20).to_be_bytes())].concat())?;
    // This end stays open and never reads.
    slave.wait_for("session over")?;
    drop(deaf);
    fleet.serves_a_session()?;
    Ok(())
}

/// The peer's messages are answered, and the peer does not read the answers.
fn a_master_that_floods() -> Result<()> {
    is_left_for(Command::Probe, "")
}

fn a_master_that_floods_with_what_is_not_answered() -> Result<()> {
    is_left_for(Command::Running, "the master sends more than it was asked for")
}

fn is_left_for(command: Command, why: &str) -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &IMPATIENT)?;
    let over = format!("session over: {why}");
    let is_left = || slave.output_so_far().contains(&over);
    RawPeer::invite(&fleet, 0)?.flood(command, is_left)?;
    slave.wait_for(&over)?;
    fleet.serves_a_session()?;
    Ok(())
}

fn a_master_that_sends_a_byte_a_second() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &IMPATIENT)?;
    RawPeer::invite(&fleet, CONF_PARTS)?.trickle()?;
    slave.wait_for("session over: the master began a message and did not finish it in time")?;
    fleet.serves_a_session()?;
    Ok(())
}
