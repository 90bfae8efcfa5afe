//! Processes that tasks leave behind: they all end with the session.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use synexec_tests::fleet::{Fleet, is_alive, wait_until_listening};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Process, eventually};

pub const TESTS: &[(&str, Test)] = &[
    ("leftovers::of_a_task_that_ended_by_itself", of_a_task_that_ended_by_itself),
    ("leftovers::when_the_master_is_interrupted", when_the_master_is_interrupted),
    ("leftovers::when_the_master_is_killed", when_the_master_is_killed),
    ("leftovers::when_the_slave_is_killed", when_the_slave_is_killed),
    ("leftovers::without_any_mark_when_the_slave_is_killed", without_any_mark_when_the_slave_is_killed),
    ("leftovers::when_the_slave_is_told_to_end", when_the_slave_is_told_to_end),
    ("leftovers::that_ignore_sigterm_are_killed", that_ignore_sigterm_are_killed),
    ("leftovers::of_a_round_while_the_next_is_held", of_a_round_while_the_next_is_held),
    ("leftovers::orphans_are_kept_where_the_user_wants_that", orphans_are_kept_where_the_user_wants_that),
    ("leftovers::a_slave_that_ends_leaves_kept_orphans", a_slave_that_ends_leaves_kept_orphans),
    ("leftovers::processes_older_than_the_slave_are_spared", processes_older_than_the_slave_are_spared),
    ("leftovers::processes_adopted_before_the_task_are_spared", processes_adopted_before_the_task),
    ("leftovers::zombies_are_reaped_while_the_task_runs", zombies_are_reaped_while_the_task_runs),
    ("leftovers::sessions_leave_no_descriptor_child_or_file", sessions_leave_no_descriptor_child_or_file),
    ("leftovers::a_keeper_ends_with_its_slave", a_keeper_ends_with_its_slave),
    ("leftovers::a_keeper_that_is_gone_is_told_of_once", a_keeper_that_is_gone_is_told_of_once),
];

/// Starts a process of each kind: in the task's group, in a session of its own, without its parent, and without any
/// mark of its origin. Prints the pids, the task's own first.
const ALL_KINDS: &str = "sleep 1000 & a=$!
    setsid sleep 1000 & b=$!
    (setsid sh -c 'sleep 1000 & echo $! > far' &) ; until [ -s far ]; do sleep 0.01; done
    env -i sleep 1000 & d=$!
    echo pids $$ $a $b $(cat far) $d pids; rm far\n";

/// The conf of a task that starts all kinds and then goes on.
fn lasting() -> String {
    format!("/bin/sh :CONF:\n{ALL_KINDS}while :; do sleep 0.1; done\n")
}

/// Kills the leftover processes when a test fails.
struct Pids(Vec<String>);

impl Pids {
    fn kill(&self) {
        for pid in self.0.iter().filter(|pid| is_alive(pid)).filter_map(|pid| pid.parse().ok()) {
            // A process that has ended meanwhile needs no signal.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    fn all_live(&self) -> bool {
        self.0.iter().all(|pid| is_alive(pid))
    }
}

impl Drop for Pids {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pids(fleet: &Fleet) -> Result<Vec<String>> {
    let output = fleet.wait_for_output(0, " pids\n")?;
    let (_, pids) = output.split_once("pids ").context("pids")?;
    Ok(pids.split_whitespace().take_while(|word| *word != "pids").map(str::to_owned).collect())
}

fn all_end(pids: &[String]) -> Result<()> {
    eventually("the end of all that the task has started", || pids.iter().all(|pid| !is_alive(pid)).then_some(()))
}

/// A session whose task has started all kinds of processes and goes on.
fn running(fleet: &Fleet, options: &[&str]) -> Result<(Process, Process, Vec<String>)> {
    let slave = fleet.slave(0, options)?;
    let master = fleet.master(1, &fleet.conf(lasting())?, &[])?;
    let pids = pids(fleet)?;
    ensure!(pids.len() == 5 && pids.iter().all(|pid| is_alive(pid)), "{pids:?}");
    Ok((slave, master, pids))
}

fn of_a_task_that_ended_by_itself() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let finished = fleet.master(1, &fleet.conf(format!("/bin/sh :CONF:\n{ALL_KINDS}"))?, &[])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    all_end(&pids(&fleet)?)?;
    slave.wait_for("stopping the processes that the task has left")?;
    fleet.serves_a_session()?;
    ensure!(slave.children()?.is_empty());
    Ok(())
}

fn when_the_master_is_interrupted() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let (_slave, master, pids) = running(&fleet, &[])?;
    master.signal(Signal::SIGINT)?;
    ensure!(master.wait()?.code() == Some(130));
    ensure!(pids.iter().all(|pid| !is_alive(pid)), "the end was told before all processes of the task were gone");
    fleet.serves_a_session()?;
    Ok(())
}

fn when_the_master_is_killed() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let (_slave, master, pids) = running(&fleet, &[])?;
    master.signal(Signal::SIGKILL)?;
    all_end(&pids)?;
    fleet.serves_a_session()?;
    Ok(())
}

fn when_the_slave_is_killed() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let (slave, _master, pids) = running(&fleet, &[])?;
    let keeper = keeper_of(slave.pid())?;
    slave.signal(Signal::SIGKILL)?;
    all_end(&pids)?;
    all_end(&[keeper])?;
    let payload = fleet.guests[0].dir().join(format!("synexec_slave_conf.{}", slave.pid()));
    ensure!(!payload.exists(), "the payload remains");
    Ok(())
}

/// A process that has lost the session, the environment and the parent of its task is still in the slave's control
/// group.
fn without_any_mark_when_the_slave_is_killed() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &["-v"])?;
    let script = "/bin/sh :CONF:\n\
        (env -i setsid sh -c 'echo pids $$ pids; exec sleep 1000' &)\nwhile :; do sleep 0.1; done\n";
    let _master = fleet.master(1, &fleet.conf(script)?, &[])?;
    let pids = Pids(pids(&fleet)?);
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", slave.pid()))?;
    if !groups.lines().any(|line| line.starts_with("0::") && line.contains("/synexec_slave.")) {
        // Not every host has control groups, and not every user may make one. Without them, the slave does not promise
        // to find such a process.
        slave.wait_for("no control group for this slave")?;
        return Ok(());
    }
    let keeper = keeper_of(slave.pid())?;
    slave.signal(Signal::SIGKILL)?;
    all_end(&pids.0)?;
    all_end(&[keeper])
}

fn when_the_slave_is_told_to_end() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let (slave, _master, pids) = running(&fleet, &[])?;
    slave.signal(Signal::SIGTERM)?;
    ensure!(slave.wait()?.code() == Some(143));
    ensure!(pids.iter().all(|pid| !is_alive(pid)), "the slave ended before its task");
    Ok(())
}

fn that_ignore_sigterm_are_killed() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let script = "/bin/sh :CONF:\nsetsid sh -c 'trap \"\" TERM; echo pids $$ pids; while :; do sleep 0.1; done' &\n\
                  until grep -q pids synexec.out; do sleep 0.01; done\n";
    ensure!(fleet.master(1, &fleet.conf(script)?, &[])?.wait()?.code() == Some(0));
    all_end(&pids(&fleet)?)?;
    slave.wait_for("killing it")?;
    fleet.serves_a_session()?;
    Ok(())
}

fn of_a_round_while_the_next_is_held() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let script = "/bin/sh :CONF:\nsetsid sleep 1000 & echo pids $! pids\n";
    let master = fleet.master(1, &fleet.conf(script)?, &["--rounds", "2", "--lead", "5000"])?;
    let first = pids(&fleet)?;
    slave.wait_for_count("conf accepted", 2)?;
    ensure!(is_alive(&first[0]), "the leftovers of the first round ended before the session");
    master.signal(Signal::SIGKILL)?;
    all_end(&first)?;
    fleet.serves_a_session()?;
    ensure!(!slave.output_so_far().contains("killing it"), "{}", slave.output_so_far());
    Ok(())
}

const KEEP: &[&str] = &["--orphan", "keep"];

fn orphans_are_kept_where_the_user_wants_that() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let (slave, master, pids) = running(&fleet, KEEP)?;
    let pids = Pids(pids);
    ensure!(keeper_of(slave.pid()).is_err(), "a keeper runs without anything to keep");
    master.signal(Signal::SIGKILL)?;
    slave.wait_for("are left to run")?;
    let second = fleet.master(1, &fleet.conf("/bin/true\n")?, &[])?;
    // The task's first process ends, and then the others one after another.
    for pid in &pids.0 {
        ensure!(pids.0.iter().skip_while(|other| *other != pid).all(|pid| is_alive(pid)), "a process did not go on");
        ensure!(!second.output_so_far().contains("joined: 1"), "the slave did not wait");
        kill(Pid::from_raw(pid.parse()?), Signal::SIGTERM)?;
        eventually("the end of one", || (!is_alive(pid)).then_some(()))?;
    }
    ensure!(second.wait()?.code() == Some(0));
    Ok(())
}

fn a_slave_that_ends_leaves_kept_orphans() -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let fleet = Fleet::new(1)?;
        let (slave, _master, pids) = running(&fleet, KEEP)?;
        let pids = Pids(pids);
        slave.signal(signal)?;
        slave.wait()?;
        let payload = fleet.guests[0].dir().join(format!("synexec_slave_conf.{}", slave.pid()));
        ensure!(pids.all_live() && payload.exists(), "{}", slave.output_so_far());
    }
    Ok(())
}

/// A shell starts a process, and then executes the slave in its own place.
fn processes_older_than_the_slave_are_spared() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let shell = ["sh", "-c", "sleep 1000 & exec \"$@\"", "sh"];
    let slave = fleet.slave_through(0, &shell, &[])?;
    // Until the exec, the shell has children of its own.
    wait_until_listening(&slave)?;
    let before = Pids(slave.children()?);
    ensure!(before.0.len() == 1, "{:?}", before.0);
    ensure!(fleet.master(1, &fleet.conf(format!("/bin/sh :CONF:\n{ALL_KINDS}"))?, &[])?.wait()?.code() == Some(0));
    all_end(&pids(&fleet)?)?;
    fleet.serves_a_session()?;
    ensure!(before.all_live() && slave.children()? == before.0, "{:?} {:?}", slave.children()?, before.0);
    slave.signal(Signal::SIGTERM)?;
    ensure!(slave.wait()?.code() == Some(143) && before.all_live());
    Ok(())
}

fn processes_adopted_before_the_task() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let go = fleet.guests[0].dir().join("go");
    // One of the shell's children becomes the slave's child only after a session.
    let start = format!("(until [ -e {} ]; do sleep 0.05; done; sleep 1000 &) & exec \"$@\"", go.display());
    let slave = fleet.slave_through(0, &["sh", "-c", &start, "sh"], &[])?;
    fleet.serves_a_session()?;
    let shell = slave.children()?;
    fs::write(&go, "")?;
    let adopted = || {
        slave.children().ok().filter(|pids| pids.len() == 1 && *pids != shell && pids.iter().all(|pid| is_alive(pid)))
    };
    let adopted = Pids(eventually("what the shell has left", adopted)?);
    fleet.serves_a_session()?;
    fleet.serves_a_session()?;
    ensure!(adopted.all_live() && slave.children()? == adopted.0);
    Ok(())
}

fn zombies_are_reaped_while_the_task_runs() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let script = "/bin/sh :CONF:\nfor n in $(seq 500); do (sh -c 'exit 0' &); done; echo made\n\
                  while [ ! -e go ]; do sleep 0.05; done\n";
    let master = fleet.master(1, &fleet.conf(script)?, &[])?;
    fleet.wait_for_output(0, "made")?;
    eventually("nothing but the task", || (slave.children().ok()?.len() == 1).then_some(()))?;
    ensure!(!slave.output_so_far().contains("task ended"));
    fs::write(fleet.guests[0].dir().join("go"), "")?;
    ensure!(master.wait()?.code() == Some(0));
    Ok(())
}

fn sessions_leave_no_descriptor_child_or_file() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let conf = fleet.conf("/bin/sh :CONF:\nsetsid sleep 1000 & (sleep 1000 &)\n")?;
    let tasks = format!("/proc/{}/task", slave.pid());
    let listens = || -> Result<bool> {
        let threads = fs::read_dir(&tasks)?.flatten().map(|entry| fs::read_to_string(entry.path().join("comm")));
        let threads: Vec<_> = threads.flatten().collect();
        Ok(threads.contains(&"listen\n".to_owned()) && !threads.iter().any(|name| name == "link\n" || name == "task\n"))
    };
    let session = || -> Result<()> {
        ensure!(fleet.master(1, &conf, &[])?.wait()?.code() == Some(0));
        eventually("the slave to be idle", || (slave.children().ok()?.is_empty() && listens().ok()?).then_some(()))
    };
    let left = || -> Result<_> {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", slave.pid()))?.count();
        let threads = fs::read_dir(&tasks)?.count();
        let files: BTreeSet<_> =
            fs::read_dir(fleet.guests[0].dir())?.flatten().map(|entry| entry.file_name()).collect();
        Ok((descriptors, threads, files))
    };
    session()?;
    let before = left()?;
    for _ in 0..20 {
        session()?;
    }
    // The slave may be about to return to discovery.
    eventually("descriptors, threads and files as before", || (left().ok()? == before).then_some(()))
}

fn a_keeper_ends_with_its_slave() -> Result<()> {
    let fleet = Fleet::new(1)?;
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let slave = fleet.slave(0, &[])?;
        let keeper = eventually("the keeper", || keeper_of(slave.pid()).ok())?;
        // The keeper may be about to close the slave's files.
        eventually("it to have no more than its pipe open", || {
            (fs::read_dir(format!("/proc/{keeper}/fd")).ok()?.count() == 4).then_some(())
        })?;
        for ignored in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            kill(Pid::from_raw(keeper.parse()?), ignored)?;
        }
        fleet.serves_a_session()?;
        ensure!(is_alive(&keeper), "the keeper did not stay");
        slave.signal(signal)?;
        slave.wait()?;
        all_end(&[keeper])?;
    }
    Ok(())
}

fn a_keeper_that_is_gone_is_told_of_once() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, &[])?;
    let keeper = eventually("the keeper", || keeper_of(slave.pid()).ok())?;
    kill(Pid::from_raw(keeper.parse()?), Signal::SIGKILL)?;
    all_end(&[keeper])?;
    for _ in 0..2 {
        fleet.serves_a_session()?;
    }
    let said = slave.output_so_far();
    ensure!(said.matches("the keeper is gone").count() == 1, "{said}");
    Ok(())
}

/// The process that waits at a pipe of this process.
fn keeper_of(slave: Pid) -> Result<String> {
    let pipes = |pid: &str| -> Vec<_> {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("pipe:")).collect()
    };
    let of_slave = pipes(&slave.to_string());
    let all = fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let is_keeper = |pid: &String| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name == "synexec_keeper\n" && pipes(pid).iter().any(|pipe| of_slave.contains(pipe))
    };
    all.into_iter().find(is_keeper).context("no keeper")
}
