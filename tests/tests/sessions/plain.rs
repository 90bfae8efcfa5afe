//! Sessions without faults.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::fleet::{Fleet, master_on, row, slave_on};
use synexec_tests::lab::Lab;
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;
use synexec_tests::programs;
use synexec_tests::report::only_round;

pub const TESTS: &[(&str, Test)] = &[
    ("plain::eight_hosts_run_one_task", eight_hosts_run_one_task),
    ("plain::two_sessions_at_once_do_not_mix", two_sessions_at_once_do_not_mix),
    ("plain::slaves_serve_one_session_after_another", slaves_serve_one_session_after_another),
    ("plain::several_slaves_on_one_host", several_slaves_on_one_host),
    ("plain::the_examples_run", the_examples_run),
];

const TELL: &str = "/bin/sh :CONF: a 'b\necho $SYNEXEC_NAME $SYNEXEC_RANK/$SYNEXEC_SLAVES $SYNEXEC_SESSION $1 $2\n\
                    test \"$0\" = \"$SYNEXEC_CONF\" && stat -c %a \"$0\" /dev/fd/1 && readlink /dev/fd/0\n\
                    cut -d' ' -f5,6 /proc/$$/stat; echo $$\n";

fn eight_hosts_run_one_task() -> Result<()> {
    let fleet = Fleet::new(8)?;
    let _slaves = fleet.slaves(&["-s", "7"])?;
    let master = fleet.master(8, &fleet.conf(TELL)?, &["-s", "7"])?;
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let mut ranks = Vec::new();
    for guest in 0..8 {
        let output = fleet.output(guest)?;
        let [told, conf_mode, _, stdin, group, pid] = output.lines().collect::<Vec<_>>()[..] else {
            anyhow::bail!("{output}")
        };
        let rank = told.strip_prefix(&format!("vm{guest} ")).and_then(|rest| rest.strip_suffix("/8 7 a 'b"));
        ranks.extend(rank.map(str::to_owned));
        ensure!((conf_mode, stdin) == ("600", "/dev/null"), "{output}");
        ensure!(group == format!("{pid} {pid}"), "a session and process group of its own: {output}");
        let row = row(&finished, &format!("vm{guest}"))?;
        ensure!(row.contains("exited 0") && row.contains(&fleet.guests[guest].address().to_string()), "{row}");
    }
    ranks.sort();
    ensure!(ranks == ["0", "1", "2", "3", "4", "5", "6", "7"], "{ranks:?}");
    ensure!(finished.stderr.contains("joined: 3 of 8") && finished.stderr.contains("8 of 8"), "{finished:?}");
    Ok(())
}

fn two_sessions_at_once_do_not_mix() -> Result<()> {
    let lab = Lab::new()?;
    let network = lab.network("10.77.0.0/24")?;
    let hosts = lab.hosts(10, &[&network])?;
    let (controls, guests) = hosts.split_at(2);
    let conf = controls[0].dir().join("job.conf");
    std::fs::write(&conf, "/bin/sh :CONF:\necho $SYNEXEC_SESSION\n")?;
    let masters = [master_on(&controls[0], 4, &conf, &["-s", "1"])?, master_on(&controls[1], 4, &conf, &["-s", "2"])?];
    let session = |guest: usize| if guest.is_multiple_of(2) { "1" } else { "2" };
    let slaves: Result<Vec<_>> =
        (0..8).map(|guest| slave_on(&guests[guest], &format!("vm{guest}"), &["-s", session(guest)])).collect();
    let _slaves = slaves?;
    let finished = [masters[0].wait()?, masters[1].wait()?];
    for guest in 0..8 {
        let output = std::fs::read_to_string(guests[guest].dir().join("synexec.out"))?;
        ensure!(output.trim() == session(guest), "vm{guest}: {output}");
        ensure!(row(&finished[guest % 2], &format!("vm{guest}"))?.contains("exited 0"));
    }
    ensure!(finished.iter().all(|finished| finished.code() == Some(0)), "{finished:?}");
    Ok(())
}

fn slaves_serve_one_session_after_another() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let _slaves = fleet.slaves(&[])?;
    for _ in 0..5 {
        fleet.serves_a_session()?;
    }
    Ok(())
}

fn several_slaves_on_one_host() -> Result<()> {
    let fleet = Fleet::new(0)?;
    let names = ["a", "b", "c"];
    let slaves: Result<Vec<_>> = names.iter().map(|name| loopback_slave(&fleet, name)).collect();
    let slaves = slaves?;
    let conf = fleet.conf("/bin/true\n")?;
    let cores = Process::spawn(fleet.control.command("getconf").arg("_NPROCESSORS_ONLN"))?.wait()?.stdout;
    let cores: usize = cores.trim().parse()?;
    // A broadcast probe reaches all slaves. A unicast probe reaches one slave at a time, and a connected slave leaves
    // it to the others.
    for options in [&["-i", "lo"][..], &["-t", "127.0.0.1"]] {
        let finished = fleet.master(3, &conf, options)?.wait()?;
        ensure!(finished.code() == Some(0), "{finished:?}");
        let round = only_round(&fleet.control)?;
        let mut latest = 0;
        for name in names {
            row(&finished, name)?;
            latest = latest.max(round.slave(name)?.all["start"]["late_ns"].as_u64().context("no lateness")?);
        }
        let crowd = format!("3 tasks on {cores} core");
        let is_told = cores < names.len() && latest >= 1_000_000;
        ensure!(finished.stdout.contains(&crowd) == is_told, "{cores} cores, {latest} ns: {finished:?}");
    }
    drop(slaves);
    Ok(())
}

fn loopback_slave(fleet: &Fleet, name: &str) -> Result<Process> {
    std::fs::create_dir(fleet.control.dir().join(name))?;
    let mut command = fleet.control.command(programs::slave());
    command.args(["-i", "lo", "--name", name, "--work-dir", name]);
    Process::spawn(command)
}

fn the_examples_run() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for (name, output) in [("hello", "hello from"), ("sleep", ""), ("dd", "2 MiB to /tmp/synexec-dd")] {
        let small = ["--env", "SIZE_MIB=2"];
        let finished = fleet.master(2, &examples.join(name).with_extension("conf"), &small)?.wait()?;
        ensure!(finished.code() == Some(0), "{name}: {finished:?} {:?}", fleet.output(0));
        ensure!((0..2).all(|guest| fleet.output(guest).is_ok_and(|text| text.contains(output))), "{name}");
    }
    Ok(())
}
