//! The progress of running tasks, and the messages for it on the network.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use synexec_tests::fleet::{Fleet, row};
use synexec_tests::lab::Packet;
use synexec_tests::lab::harness::Test;
use synexec_tests::process::eventually;
use synexec_tests::report::{only_round, rounds};

pub const TESTS: &[(&str, Test)] = &[
    ("progress::figures_of_each_guest_grow", figures_of_each_guest_grow),
    ("progress::a_task_stopped_by_a_signal_is_told", a_task_stopped_by_a_signal_is_told),
    ("progress::unasked_nothing_but_heartbeats_crosses_the_network", nothing_but_heartbeats),
    ("progress::a_guest_that_is_slow_to_answer_is_late_and_not_lost", a_guest_that_is_slow_to_answer),
    ("progress::a_late_answer_in_one_round_is_none_in_the_next", a_late_answer_in_one_round_is_none_in_the_next),
];

const UNTIL_GO: &str = "/bin/sh :CONF:\necho runs; while [ ! -e go ] && [ -d \"$PWD\" ]; do sleep 0.05; done\n";

/// A task that uses more and more time, memory and output.
const GROW: &str = "/bin/sh :CONF:\npart=$(head -c 262144 /dev/zero | tr '\\0' x); all=\n\
                    while [ ! -e go ] && [ -d \"$PWD\" ]; do\nall=$all$part; echo more\n\
                    i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done\ndone\n";

/// Commands, in the header of each message.
const REPLY: u8 = 0;
const PROBE: u8 = 1;
const RUNNING: u8 = 8;

fn let_go(fleet: &Fleet) -> Result<()> {
    Ok(fleet.guests.iter().try_for_each(|guest| fs::write(guest.dir().join("go"), ""))?)
}

/// CPU, memory and output of a line as `vm0 (..) runs, for 1.000 s: 12.00 ms CPU, 1.2 MiB memory, 10 B output`.
fn figures(line: &str) -> Result<[f64; 3]> {
    let figure = |name: &str| {
        let words: Vec<_> = line.split([' ', ',']).collect();
        let at = words.iter().position(|word| *word == name)?;
        let unit = match *words.get(at.checked_sub(1)?)? {
            "s" | "B" => 1.0,
            "ms" => 1e-3,
            "µs" => 1e-6,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            "GiB" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
        Some(words.get(at.checked_sub(2)?)?.parse::<f64>().ok()? * unit)
    };
    let figures = [figure("CPU"), figure("memory"), figure("output")].map(|figure| figure.context(line.to_owned()));
    let [cpu, memory, output] = figures;
    Ok([cpu?, memory?, output?])
}

/// Whether a line with this name has figures that all exceed those of an earlier line, which all exceed zero.
fn grows(output: &str, name: &str) -> Result<bool> {
    let lines = output.lines().filter(|line| line.contains(name));
    let told = lines.map(figures).collect::<Result<Vec<_>>>()?;
    let first = told.iter().find(|figures| figures.iter().all(|figure| *figure > 0.0));
    let is_more = |last: &[f64; 3]| first.is_some_and(|first| first.iter().zip(last).all(|(first, last)| last > first));
    Ok(told.iter().any(is_more))
}

fn figures_of_each_guest_grow() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(GROW)?, &["--progress", "1"])?;
    for name in ["vm0 (10.77.0.2) runs, for ", "vm1 (10.77.0.3) runs, for "] {
        let has_grown = || grows(&master.output_so_far(), name).map(|grows| grows.then_some(())).transpose();
        eventually("every figure to be there, and to grow", has_grown)??;
    }
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(())
}

fn a_task_stopped_by_a_signal_is_told() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &["--progress", "1"])?;
    fleet.wait_for_output(0, "runs")?;
    let task = slaves[0].children()?;
    let task = Pid::from_raw(task.first().context("no task")?.parse()?);
    kill(task, Signal::SIGSTOP)?;
    master.wait_for("vm0 (10.77.0.2) is stopped by a signal")?;
    kill(task, Signal::SIGCONT)?;
    let is_told_again = || {
        let output = master.output_so_far();
        output.rsplit("is stopped").next().is_some_and(|rest| rest.contains("vm0 (10.77.0.2) runs")).then_some(())
    };
    eventually("the stopped task to run again", is_told_again)?;
    ensure!(!master.output_so_far().contains("vm1 (10.77.0.3) is stopped"), "{}", master.output_so_far());
    let_go(&fleet)?;
    ensure!(master.wait()?.code() == Some(0));
    Ok(())
}

/// The commands of a stream of whole messages.
fn commands(mut stream: &[u8]) -> Result<Vec<u8>> {
    let mut commands = Vec::new();
    while !stream.is_empty() {
        let header = stream.get(..11).with_context(|| format!("{stream:?}"))?;
        commands.push(header[8]);
        let length = usize::from(u16::from_be_bytes([header[9], header[10]]));
        stream = stream.get(11 + length..).with_context(|| format!("{stream:?}"))?;
    }
    Ok(commands)
}

fn commands_from(address: Ipv4Addr, packets: &[Packet]) -> Result<Vec<u8>> {
    let stream: Vec<_> =
        packets.iter().filter(|packet| packet.from == address).map(|packet| &packet.data[..]).collect();
    commands(&stream.concat())
}

/// Checks that the network is silent: the slaves have received everything, and the tasks have nothing to report.
fn nothing_but_heartbeats() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &[])?;
    (0..2).try_for_each(|guest| fleet.wait_for_output(guest, "runs").map(drop))?;
    let wire = fleet.control.capture()?;
    let (control, mut packets) = (fleet.control.address(), Vec::new());
    let mut is_answered = || -> Result<bool> {
        packets.extend(wire.packets()?);
        let answers = |guest: &synexec_tests::lab::Host| commands_from(guest.address(), &packets);
        let all = fleet.guests.iter().map(answers).collect::<Result<Vec<_>>>()?;
        Ok(all.iter().all(|commands| commands.contains(&REPLY)))
    };
    eventually("a heartbeat of each", || is_answered().map(|answered| answered.then_some(())).transpose())??;
    ensure!(packets.iter().all(|packet| !packet.is_udp), "{packets:?}");
    ensure!(commands_from(control, &packets)? == [PROBE, PROBE], "{packets:?}");
    for guest in &fleet.guests {
        let commands = commands_from(guest.address(), &packets)?;
        ensure!(commands == [REPLY] || commands == [REPLY, RUNNING], "{packets:?}");
    }
    let bytes: usize = packets.iter().map(|packet| packet.data.len()).sum();
    ensure!(bytes < 300, "{bytes} bytes: {packets:?}");
    let_go(&fleet)?;
    ensure!(master.wait()?.code() == Some(0));
    Ok(())
}

fn a_guest_that_is_slow_to_answer() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&[])?;
    let master = fleet.master(2, &fleet.conf(UNTIL_GO)?, &[])?;
    (0..2).try_for_each(|guest| fleet.wait_for_output(guest, "runs").map(drop))?;
    slaves[1].signal(Signal::SIGSTOP)?;
    master.wait_for("vm1 (10.77.0.3) is late")?;
    slaves[1].signal(Signal::SIGCONT)?;
    master.wait_for("vm1 (10.77.0.3) has answered")?;
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0) && !finished.stderr.contains("lost"), "{finished:?}");
    let row = row(&finished, "vm1")?;
    ensure!(row.contains("exited 0") && row.contains("to answer a probe"), "{row}");
    let round = only_round(&fleet.control)?;
    let late = |name| -> Result<_> { Ok(round.slave(name)?.all["answered_late_ns"].as_u64()) };
    ensure!(late("vm1")?.is_some_and(|late| late >= 2_000_000_000) && late("vm0")? < late("vm1")?, "{round:?}");
    Ok(())
}

fn a_late_answer_in_one_round_is_none_in_the_next() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let master = fleet.master(1, &fleet.conf(UNTIL_GO)?, &["--rounds", "2"])?;
    fleet.wait_for_output(0, "runs")?;
    slave.signal(Signal::SIGSTOP)?;
    master.wait_for("vm0 (10.77.0.2) is late")?;
    slave.signal(Signal::SIGCONT)?;
    master.wait_for("vm0 (10.77.0.2) has answered")?;
    let_go(&fleet)?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let late: Vec<_> =
        rounds(&fleet.control)?.iter().map(|round| round.slaves[0].all["answered_late_ns"].is_u64()).collect();
    ensure!(late == [true, false], "{}", finished.stdout);
    Ok(())
}
