//! `--user`: tasks run as another user, with files of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};
use synexec_tests::fleet::{Fleet, is_alive, row, wait_until_listening};
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::missing::Missing;
use synexec_tests::process::eventually;

pub const TESTS: &[(&str, Test)] = &[
    ("user::a_task_has_the_users_rights_groups_environment_and_files", a_task_has_the_users_rights),
    ("user::a_task_has_all_of_the_users_groups", a_task_has_all_of_the_users_groups),
    ("user::a_task_of_another_user_can_be_stopped", a_task_of_another_user_can_be_stopped),
    ("user::a_slave_of_one_session_after_another_keeps_its_output_file", one_session_after_another),
    ("user::a_work_dir_that_the_user_cannot_enter_declines_the_conf", a_work_dir_that_the_user_cannot_enter),
    ("user::a_directory_that_the_user_cannot_enter_is_left", a_directory_that_the_user_cannot_enter_is_left),
    ("user::descriptors_of_the_slave_are_not_open_to_a_task", descriptors_of_the_slave_are_not_open),
    ("user::an_impossible_user_is_told_at_once", an_impossible_user_is_told_at_once),
];

/// The shell that starts the slave has a file open that tasks must not get.
fn descriptors_of_the_slave_are_not_open() -> Result<()> {
    let fleet = Fleet::new(1)?;
    let shell = ["sh", "-c", "exec 9</proc/self/status && exec \"$@\"", "sh"];
    let slave = fleet.slave_through(0, &shell, &[])?;
    wait_until_listening(&slave)?;
    ensure!(Path::new(&format!("/proc/{}/fd/9", slave.pid())).exists(), "the slave itself does not have the file");
    let conf = "/bin/sh :CONF:\nfor open in /proc/self/fd/*; do echo ${open##*/}; done\n";
    ensure!(fleet.master(1, &fleet.conf(conf)?, &[])?.wait()?.code() == Some(0));
    let open = fleet.output(0)?;
    ensure!(open.starts_with("0\n1\n") && !open.lines().any(|descriptor| descriptor == "9"), "{open}");
    Ok(())
}

const AS_NOBODY: &[&str] = &["--user", "nobody"];

/// The user nobody, which exists only for root outside of a user namespace.
pub fn nobody() -> Result<User> {
    let all_users = fs::read_to_string("/proc/self/uid_map")?.split_whitespace().nth(2) == Some("4294967295");
    ensure!(all_users && Uid::effective().is_root(), Missing("only root can run tasks as another user"));
    User::from_name("nobody")?.ok_or_else(|| Missing("there is no user `nobody`").into())
}

fn owner(path: impl AsRef<Path>) -> Result<u32> {
    Ok(fs::symlink_metadata(path)?.uid())
}

fn a_task_has_the_users_rights() -> Result<()> {
    let nobody = nobody()?;
    let fleet = Fleet::new(1)?;
    let secret = fleet.guests[0].dir().join("secret");
    fs::write(&secret, "precious\n")?;
    fs::set_permissions(&secret, Permissions::from_mode(0o600))?;
    let slave = fleet.slave_through(0, &["CARGO_X=1", "LANG=C"], AS_NOBODY)?;
    let script = "/bin/sh :CONF:\nid -u; id -G; stat -c %u:%a \"$SYNEXEC_CONF\"; env; pwd\n\
                  cat secret; kill -0 $PPID || echo tame; touch mine && echo wild; exit 7\n";
    let finished = fleet.master(1, &fleet.conf(script)?, &[])?.wait()?;
    ensure!(finished.code() == Some(1) && row(&finished, "vm0")?.contains("exited 7"), "{finished:?}");
    slave.wait_for("task held (loaded)")?;
    let (output, uid, gid) = (fleet.output(0)?, nobody.uid, nobody.gid);
    ensure!(output.starts_with(&format!("{uid}\n{gid}\n{uid}:600\n")), "{output}");
    let home = format!("HOME={}", nobody.dir.display());
    for line in [&home[..], "USER=nobody", "LOGNAME=nobody", "LANG=C", "SYNEXEC_RANK=0", "tame"] {
        ensure!(output.lines().any(|found| found == line), "no {line:?} in {output}");
    }
    for word in ["CARGO", "precious", "wild"] {
        ensure!(!output.contains(word), "{word} in {output}");
    }
    let dir = fleet.guests[0].dir();
    ensure!(output.lines().any(|line| Path::new(line) == dir), "another directory: {output}");
    let written = fs::metadata(dir.join("synexec.out"))?;
    ensure!((written.uid(), written.mode() & 0o777) == (uid.as_raw(), 0o600), "{written:?}");
    Ok(())
}

/// This slave sees another list of groups than the host.
fn a_task_has_all_of_the_users_groups() -> Result<()> {
    let nobody = nobody()?;
    let fleet = Fleet::new(1)?;
    let groups = fleet.guests[0].dir().join("group");
    fs::write(&groups, "root:x:0:\none:x:64401:nobody\ntwo:x:64402:root,nobody\nother:x:64403:root\n")?;
    let list = format!("mount --bind {} /etc/group && exec \"$@\"", groups.display());
    let _slave = fleet.slave_through(0, &["unshare", "--mount", "sh", "-c", &list, "sh"], AS_NOBODY)?;
    let finished = fleet.master(1, &fleet.conf("/bin/sh :CONF:\nid -G\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let output = fleet.output(0)?;
    let mut found = output.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    found.sort_unstable();
    let mut expected = [nobody.gid.as_raw(), 64401, 64402];
    expected.sort_unstable();
    ensure!(found == expected, "{output}");
    Ok(())
}

fn a_task_of_another_user_can_be_stopped() -> Result<()> {
    nobody()?;
    let fleet = Fleet::new(1)?;
    let slave = fleet.slave(0, AS_NOBODY)?;
    let script = "/bin/sh :CONF:\nsetsid sleep 1000 & echo $! pid\nwhile :; do sleep 0.1; done\n";
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let master = fleet.master(1, &fleet.conf(script)?, &[])?;
        let output = fleet.wait_for_output(0, " pid")?;
        let child = output.split_whitespace().next().unwrap_or_default().to_owned();
        master.signal(signal)?;
        master.wait()?;
        eventually("the end of the task", || (!is_alive(&child)).then_some(()))?;
        slave.wait_for("stopping the task")?;
        fleet.serves_a_session()?;
    }
    Ok(())
}

fn one_session_after_another() -> Result<()> {
    let nobody = nobody()?;
    let fleet = Fleet::new(1)?;
    let dir = fleet.guests[0].dir();
    fs::set_permissions(dir, Permissions::from_mode(0o1777))?;
    let output = fleet.control.dir().join("outputs");
    for text in ["first", "second"] {
        let slave = fleet.slave(0, AS_NOBODY)?;
        let conf = fleet.conf(format!("/bin/echo {text}\n"))?;
        let options = ["-o", &output.to_string_lossy()[..], "--force"];
        let finished = fleet.master(1, &conf, &options)?.wait()?;
        ensure!(finished.code() == Some(0), "{finished:?}");
        ensure!(fs::read_to_string(output.join("0-vm0.out"))? == format!("{text}\n"));
        ensure!(owner(dir.join("synexec.out"))? == nobody.uid.as_raw());
        slave.signal(Signal::SIGTERM)?;
        slave.wait()?;
    }
    Ok(())
}

fn a_work_dir_that_the_user_cannot_enter() -> Result<()> {
    nobody()?;
    let fleet = Fleet::new(1)?;
    fs::set_permissions(fleet.guests[0].dir(), Permissions::from_mode(0o700))?;
    let _slave = fleet.slave(0, AS_NOBODY)?;
    let finished = fleet.master(1, &fleet.conf("/bin/sh :CONF:\necho ran\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    let told = row(&finished, "vm0")?;
    ensure!(told.contains("user nobody cannot read") && told.contains("Permission denied"), "{told}");
    ensure!(!fleet.has_run(0));
    Ok(())
}

fn a_directory_that_the_user_cannot_enter_is_left() -> Result<()> {
    nobody()?;
    let fleet = Fleet::new(1)?;
    fs::set_permissions(fleet.guests[0].dir(), Permissions::from_mode(0o700))?;
    let _slave = fleet.slave(0, AS_NOBODY)?;
    let finished = fleet.master(1, &fleet.conf("/bin/pwd\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(0) && fleet.output(0)? == "/\n", "{finished:?}");
    Ok(())
}

fn an_impossible_user_is_told_at_once() -> Result<()> {
    nobody()?;
    let fleet = Fleet::new(1)?;
    for options in [&["--user", "no-such-user"][..], &["--user", "no-such-user", "-d"]] {
        let finished = fleet.slave(0, options)?.wait()?;
        ensure!(finished.code() == Some(2) && finished.stdout.is_empty(), "{finished:?}");
        ensure!(finished.stderr.contains("there is no user `no-such-user`"), "{finished:?}");
    }
    let plainly = ["setpriv", "--reuid", "12345", "--clear-groups", "--no-new-privs"];
    let finished = fleet.slave_through(0, &plainly, AS_NOBODY)?.wait()?;
    ensure!(finished.code() == Some(2) && finished.stderr.contains("only root"), "{finished:?}");
    Ok(())
}
