//! Faults of hosts and programs that the lab can cause.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::{SmallDisk, WallClock};
use synexec_tests::process::{Process, eventually};

use super::{connect, ear, hear, one_network, shout};

pub const TESTS: &[(&str, Test)] = &[
    ("ills::packets_are_lost_each_way_and_nobody_is_told", packets_are_lost_each_way),
    ("ills::a_paused_host_stands_still_and_goes_on", a_paused_host_stands_still_and_goes_on),
    ("ills::connections_are_reset_at_both_ends", connections_are_reset_at_both_ends),
    ("ills::connections_are_forgotten_and_new_ones_work", connections_are_forgotten_and_new_ones_work),
    ("ills::a_host_gets_another_address", a_host_gets_another_address),
    ("ills::a_small_disk_is_full_and_is_not", a_small_disk_is_full_and_is_not),
    ("ills::a_wall_clock_is_set_for_one_program_alone", a_wall_clock_is_set_for_one_program_alone),
];

const SHOUTS: usize = 200;

fn packets_are_lost_each_way() -> Result<()> {
    let (_lab, network, hosts) = one_network(3)?;
    hosts[1].lose(50)?;
    for (from, to) in [(0, 1), (1, 0)] {
        let ear = ear(&hosts[to])?;
        for _ in 0..SHOUTS {
            shout(&hosts[from], &network, "maybe")?;
        }
        hosts[1].lose(0)?;
        shout(&hosts[from], &network, "surely")?;
        let mut heard = 0;
        while hear(&ear)?.0 == "maybe" {
            heard += 1;
        }
        ensure!((SHOUTS / 4..SHOUTS * 3 / 4).contains(&heard), "{heard} of {SHOUTS} from {from} to {to}");
        hosts[1].lose(50)?;
    }
    Ok(())
}

fn a_paused_host_stands_still_and_goes_on() -> Result<()> {
    let (_lab, network, hosts) = one_network(2)?;
    let mut ticker = hosts[1].command("sh");
    ticker.args(["-c", "while echo x >>ticks; do sleep 0.01; done"]);
    let ticker = Process::spawn(ticker)?;
    let ticks = || fs::metadata(hosts[1].dir().join("ticks")).map_or(0, |ticks| ticks.len());
    eventually("a tick", || (ticks() > 0).then_some(()))?;
    hosts[1].pause()?;
    let (ear, before) = (ear(&hosts[1])?, ticks());
    shout(&hosts[0], &network, "not heard")?;
    ensure!(ticks() == before, "a paused host goes on");
    hosts[1].resume()?;
    shout(&hosts[0], &network, "heard")?;
    ensure!(hear(&ear)?.0 == "heard", "a paused host has heard something");
    eventually("another tick", || (ticks() > before).then_some(()))?;
    ensure!(ticker.is_running() && hosts[1].occupants()?.iter().any(|process| process.name == "sh"));
    Ok(())
}

fn connections_are_reset_at_both_ends() -> Result<()> {
    let (_lab, _network, hosts) = one_network(2)?;
    let (mut near, mut far) = connect(&hosts[0], &hosts[1])?;
    ensure!(hosts[0].connections()? == 1 && hosts[0].reset_connections()? == 1);
    ensure!(hosts[0].connections()? == 0, "the connection still stands");
    let far_end = far.read(&mut [0]).map_err(|error| error.kind());
    ensure!(far_end == Err(ErrorKind::ConnectionReset), "{far_end:?}");
    ensure!(near.read(&mut [0]).is_err(), "the near end has noticed nothing");
    Ok(())
}

fn connections_are_forgotten_and_new_ones_work() -> Result<()> {
    let (_lab, _network, hosts) = one_network(2)?;
    let (mut near, mut far) = connect(&hosts[0], &hosts[1])?;
    ensure!(hosts[0].forget_connections()? == 1);
    for (mouth, host) in [(&mut near, &hosts[0]), (&mut far, &hosts[1])] {
        mouth.write_all(b"?")?;
        let (mut new, mut other) = connect(&hosts[0], &hosts[1])?;
        new.write_all(b"!")?;
        let mut heard = [0];
        other.read_exact(&mut heard)?;
        let only_old = || host.unacknowledged().is_ok_and(|bytes| bytes == 1).then_some(());
        ensure!(heard == *b"!");
        eventually("the new packet alone to be acknowledged", only_old)?;
    }
    Ok(())
}

fn a_host_gets_another_address() -> Result<()> {
    let (_lab, network, hosts) = one_network(2)?;
    let old = hosts[1].address();
    let new = hosts[1].readdress(&network)?;
    ensure!(new != old);
    let listener = hosts[1].enter(|| TcpListener::bind("0.0.0.0:0"))?;
    let port = listener.local_addr()?.port();
    ensure!(hosts[1].enter(|| TcpListener::bind((old, 0))).is_err(), "the host still has its old address");
    let mut near = hosts[0].enter(|| TcpStream::connect((new, port)))?;
    let (mut far, from) = listener.accept()?;
    ensure!(from.ip() == hosts[0].address());
    far.write_all(b"!")?;
    let mut heard = [0];
    near.read_exact(&mut heard)?;
    ensure!(heard == *b"!");
    Ok(())
}

fn a_small_disk_is_full_and_is_not() -> Result<()> {
    let (_lab, _network, hosts) = one_network(1)?;
    let mut command = hosts[0].command("env");
    command.args(SmallDisk::wrapper(hosts[0].dir())).args(["sh", "-c"]);
    command.arg("echo there; exec sleep infinity");
    let program = Process::spawn(command)?;
    program.wait_for("there")?;
    let disk = SmallDisk::of(&program, hosts[0].dir());
    disk.fill()?;
    let full = fs::write(disk.dir().join("one"), "x").map_err(|error| error.kind());
    ensure!(full == Err(ErrorKind::StorageFull), "{full:?}");
    disk.clear()?;
    fs::write(disk.dir().join("one"), "x")?;
    ensure!(!hosts[0].dir().join("one").exists(), "the file is on the machine's own disk");
    program.signal(Signal::SIGKILL)
}

fn a_wall_clock_is_set_for_one_program_alone() -> Result<()> {
    let (_lab, _network, hosts) = one_network(1)?;
    let clock = WallClock::new(hosts[0].dir())?;
    let mut command = hosts[0].command("env");
    command.args(clock.wrapper()).args(["sh", "-c", "while date +now:%s; do sleep 0.02; done"]);
    let program = Process::spawn(command)?;
    program.wait_for("now:")?;
    for step in [3600, -3600, 0] {
        clock.step(step)?;
        let is_set = || ahead_of_ours(&program.output_so_far()).is_some_and(|ahead| (ahead - step).abs() < 30);
        eventually("the clock to be set", || is_set().then_some(()))?;
    }
    Ok(())
}

/// Seconds by which the last printed time is ahead.
fn ahead_of_ours(told: &str) -> Option<i64> {
    let last: i64 = told.lines().last()?.strip_prefix("now:")?.parse().ok()?;
    let ours = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(last - i64::try_from(ours.as_secs()).ok()?)
}
