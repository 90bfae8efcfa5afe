//! The environment of tasks: what they get of their slave's, and what the master gives them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use synexec_tests::fleet::{Fleet, row, wait_until_listening};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::{Finished, Process};
use synexec_tests::report;

use crate::raw_peer::{CONF_PARTS, RawPeer, TASK_ENDED};

pub const TESTS: &[(&str, Test)] = &[
    ("environment::a_task_has_few_variables_of_its_slave", a_task_has_few_variables_of_its_slave),
    ("environment::a_task_of_another_user_has_those_of_a_login", a_task_of_another_user_has_those_of_a_login),
    ("environment::the_slaves_user_can_pass_more", the_slaves_user_can_pass_more),
    ("environment::the_master_can_set_variables", the_master_can_set_variables),
    ("environment::wrong_variables_are_told_at_once", wrong_variables_are_told_at_once),
    ("environment::a_slave_that_ignores_variables_calls_the_session_off", a_slave_that_ignores_variables),
];

/// The environment of a slave: first the variables that pass to tasks, then others.
const OF_SLAVE: [&str; 21] = [
    "HOME=/home/vm",
    "LANG=C.UTF-8",
    "LANGUAGE=en",
    "LC_ALL=C",
    "LOGNAME=vm",
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "SHELL=/bin/sh",
    "TMPDIR=/var/tmp",
    "TZ=UTC",
    "USER=vm",
    "CREDENTIALS_DIRECTORY=/run/credentials/synexec",
    "INVOCATION_ID=0123456789abcdef",
    "LD_LIBRARY_PATH=/opt/lib",
    "LISTEN_FDS=1",
    "NOTIFY_SOCKET=/run/systemd/notify",
    "OLDPWD=/",
    "SSH_AUTH_SOCK=/tmp/agent",
    "SYNEXEC_RANK=77",
    "SYNEXEC_SECRET=1",
    "TERM=xterm",
    "TOKEN=secret",
];

/// How many variables of the slave pass to tasks.
const PASSING: usize = 10;

/// Variables that a task has from synexec itself. The value of `SYNEXEC_TASK` differs.
const OWN: [&str; 6] =
    ["SYNEXEC_NAME=vm0", "SYNEXEC_RANK=0", "SYNEXEC_ROUND=1", "SYNEXEC_SESSION=0", "SYNEXEC_SLAVES=1", "SYNEXEC_TASK="];

/// A slave with this environment.
fn slave(fleet: &Fleet, options: &[&str]) -> Result<Process> {
    let slave = fleet.slave_through(0, &[&["-i"], &OF_SLAVE[..]].concat(), options)?;
    wait_until_listening(&slave)?;
    Ok(slave)
}

/// The environment of a task, in order.
fn environment(fleet: &Fleet, options: &[&str]) -> Result<Vec<String>> {
    let finished = fleet.master(1, &fleet.conf("/usr/bin/env\n")?, options)?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let output = fleet.output(0)?;
    let without_mark =
        |line: &str| if line.starts_with("SYNEXEC_TASK=") { "SYNEXEC_TASK=".into() } else { line.into() };
    let mut lines: Vec<String> = output.lines().map(without_mark).collect();
    lines.sort_unstable();
    Ok(lines)
}

/// Checks that a task has these variables, those of synexec, and no others.
fn assert_only(found: &[String], expected: impl IntoIterator<Item = impl Into<String>>) -> Result<()> {
    let mut expected: Vec<String> = expected.into_iter().map(Into::into).chain(OWN.map(String::from)).collect();
    expected.sort_unstable();
    ensure!(found == expected, "{found:#?}, expected {expected:#?}");
    Ok(())
}

fn a_task_has_few_variables_of_its_slave() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = slave(&fleet, &[])?;
    assert_only(&environment(&fleet, &[])?, OF_SLAVE[..PASSING].iter().copied())
}

fn a_task_of_another_user_has_those_of_a_login() -> Result<()> {
    let nobody = crate::user::nobody()?;
    let fleet = Fleet::new(1)?;
    let _slave = slave(&fleet, &["--user", "nobody"])?;
    let login = [
        format!("HOME={}", nobody.dir.display()),
        "LOGNAME=nobody".into(),
        "PATH=/usr/local/bin:/usr/bin:/bin".into(),
        format!("SHELL={}", nobody.shell.display()),
        "USER=nobody".into(),
    ];
    let of_host = ["LANG=C.UTF-8", "LANGUAGE=en", "LC_ALL=C", "TZ=UTC"].map(String::from);
    assert_only(&environment(&fleet, &[])?, login.into_iter().chain(of_host))
}

fn the_slaves_user_can_pass_more() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let some = slave(&fleet, &["--pass-env", "TOKEN,LISTEN_*", "--pass-env", "NO_SUCH"])?;
    let passing = OF_SLAVE[..PASSING].iter().copied().chain(["LISTEN_FDS=1", "TOKEN=secret"]);
    assert_only(&environment(&fleet, &[])?, passing)?;
    drop(some);
    let _all = slave(&fleet, &["--pass-env", "*"])?;
    assert_only(&environment(&fleet, &[])?, OF_SLAVE.iter().copied().filter(|entry| !entry.starts_with("SYNEXEC_")))
}

/// Variables of the master come before those of the slave, in every round.
fn the_master_can_set_variables() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let _slave = slave(&fleet, &["--pass-env", "TOKEN"])?;
    let options = ["--env", "TOKEN=a b=c ä", "--env", "PATH=/bin", "--env", "EMPTY=", "--env=LD_LIBRARY_PATH=/lib"];
    let mut expected: BTreeMap<_, _> = OF_SLAVE[..PASSING].iter().filter_map(|entry| entry.split_once('=')).collect();
    expected.extend([("TOKEN", "a b=c ä"), ("PATH", "/bin"), ("EMPTY", ""), ("LD_LIBRARY_PATH", "/lib")]);
    let expected = expected.iter().map(|(name, value)| format!("{name}={value}"));
    assert_only(&environment(&fleet, &options)?, expected)?;
    let report = report::read(&fleet.control)?;
    let told = ["TOKEN=a b=c ä", "PATH=/bin", "EMPTY=", "LD_LIBRARY_PATH=/lib"];
    ensure!(report["asked"]["environment"] == serde_json::json!(told), "{report:#}");
    let conf = fleet.conf("/bin/sh :CONF:\n[ \"$LAST\" = 2 ]\n")?;
    let finished = fleet.master(1, &conf, &["--rounds", "2", "--env", "LAST=1", "--env", "LAST=2"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    Ok(())
}

fn wrong_variables_are_told_at_once() -> Result<()> {
    let fleet = Fleet::new(0)?;
    let conf = fleet.conf("/bin/true\n")?;
    let refused = |options: &[&str], why: &str| -> Result<Finished> {
        let finished = fleet.master(1, &conf, options)?.wait()?;
        ensure!(finished.code() == Some(2) && finished.stderr.contains(why), "{options:?}: {finished:?}");
        Ok(finished)
    };
    for (variable, why) in [
        ("A", "NAME=VALUE"),
        ("9A=1", "`9A` is no name of a variable"),
        ("A-B=1", "`A-B` is no name of a variable"),
        ("SYNEXEC_RANK=1", "synexec's own"),
    ] {
        refused(&["--env", variable], why)?;
    }
    let long = format!("A={}", "x".repeat(59_000));
    refused(&["--env", &long, "--env", &long.replace('A', "B")], "bytes together; at most 60000")?;
    let many: Vec<_> = (0..257).map(|number| format!("--env=V{number}=")).collect();
    refused(&many.iter().map(String::as_str).collect::<Vec<_>>(), "257 variables are too many")?;
    Ok(())
}

/// An original slave and one of an older release cannot set variables. No task runs, not even on the other slave.
fn a_slave_that_ignores_variables() -> Result<()> {
    for features in [0, CONF_PARTS | TASK_ENDED] {
        let fleet = Fleet::new(2)?;
        let master = fleet.master(2, &fleet.conf("/bin/sh :CONF:\necho ran\n")?, &["--env", "A=1"])?;
        let _ours = fleet.slave(0, &[])?;
        master.wait_for("vm0 (10.77.0.2) joined")?;
        let _older = RawPeer::join(&fleet.guests[1], &fleet, features)?;
        let finished = master.wait()?;
        ensure!(finished.code() == Some(4), "{finished:?}");
        ensure!(finished.stdout.contains("too old for --env"), "{finished:?}");
        ensure!(row(&finished, "vm0")?.contains("cancelled") && !fleet.has_run(0), "{finished:?}");
    }
    Ok(())
}
