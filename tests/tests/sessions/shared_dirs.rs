//! Work dirs to which other users can write, as everybody can write to `/tmp`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use synexec_tests::fleet::{Fleet, left_in, wait_until_listening};
use synexec_tests::lab::harness::Test;
use synexec_tests::process::Process;
use synexec_tests::report;

use crate::user::nobody;

pub const TESTS: &[(&str, Test)] = &[
    ("shared_dirs::files_of_a_stranger_stop_no_slave_of_root", files_of_a_stranger_stop_no_slave_of_root),
    ("shared_dirs::no_kind_of_file_takes_the_lock_from_root", no_kind_of_file_takes_the_lock_from_root),
    ("shared_dirs::slaves_of_root_and_of_a_user_are_kept_apart", slaves_of_root_and_of_a_user_are_kept_apart),
    ("shared_dirs::files_of_a_stranger_only_rename_the_output_of_a_user", files_of_a_stranger_only_rename_the_output),
    ("shared_dirs::the_payload_of_a_killed_slave_is_removed_under_any_name", the_payload_is_removed_under_any_name),
];

const LOCK: &str = "synexec_slave.lock";

/// A stranger, who is neither root nor a user of a slave.
const STRANGER: u32 = 12345;

/// Starts a slave as the user nobody.
const AS_NOBODY: &[&str] = &["setpriv", "--reuid", "65534", "--clear-groups", "--no-new-privs"];

/// A guest with a work dir like `/tmp`.
fn shared() -> Result<(Fleet, PathBuf)> {
    nobody()?;
    let fleet = Fleet::new(1)?;
    let dir = fleet.guests[0].dir().to_owned();
    fs::set_permissions(&dir, Permissions::from_mode(0o1777))?;
    Ok((fleet, dir))
}

/// Makes a file of the stranger.
fn touch(path: &Path) -> Result<()> {
    fs::write(path, "")?;
    Ok(lchown(path, Some(STRANGER), Some(STRANGER))?)
}

/// The paths of the files that a slave makes for its first task.
fn names_of(slave: &Process, dir: &Path) -> [PathBuf; 2] {
    ["synexec_slave_conf.PID", "synexec_slave_out.PID.0"]
        .map(|name| dir.join(name.replace("PID", &slave.pid().to_string())))
}

/// The path of root's lock for a directory.
fn lock_of_root(dir: &Path) -> Result<PathBuf> {
    let dir = fs::metadata(dir)?;
    Ok(format!("/run/synexec_slave.{}-{}.lock", dir.dev(), dir.ino()).into())
}

fn end(slave: &Process) -> Result<()> {
    slave.signal(Signal::SIGTERM)?;
    ensure!(slave.wait()?.code() == Some(143));
    Ok(())
}

fn files_of_a_stranger_stop_no_slave_of_root() -> Result<()> {
    let (fleet, dir) = shared()?;
    [LOCK, "synexec.out", "synexec.err"].iter().try_for_each(|name| touch(&dir.join(name)))?;
    let slave = fleet.listening_slave(0, &[])?;
    names_of(&slave, &dir).iter().try_for_each(|name| touch(name))?;
    let strangers = left_in(&dir)?;
    let other = dir.join("synexec.out.1");
    for text in ["first\n", "second\n"] {
        let conf = fleet.conf(format!("/bin/cat :CONF:\n{text}"))?;
        let finished = fleet.master(1, &conf, &["--gather"])?.wait()?;
        ensure!(finished.code() == Some(0) && finished.stdout.contains(text), "{finished:?}");
        ensure!(fs::read_to_string(&other)? == text);
        let told = report::read(&fleet.control)?["rounds"][0]["slaves"][0]["output"]["kept_at"].clone();
        ensure!(told == other.to_str().context("a path in UTF-8")?, "{told} in the report");
    }
    let errors = dir.join("synexec.err.1");
    fleet.master(1, &fleet.conf("/bin/true\n")?, &["--separate"])?.wait()?;
    slave.wait_for(&format!(
        "{} is a file of user {STRANGER}; the task's standard error goes to {}",
        dir.join("synexec.err").display(),
        errors.display()
    ))?;
    let finished = fleet.serves_a_session()?;
    let remark = format!("another file has the name synexec.out, and its output is in {}", other.display());
    ensure!(finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(&remark), "{finished:?}");
    let line = format!(
        "{} is a file of user {STRANGER}; the task's output goes to {}",
        dir.join("synexec.out").display(),
        other.display()
    );
    let told = slave.wait_for(&line)?;
    // A line that counts what was not told repeats the latest of it.
    let is_line = |told: &&str| told.contains(&line) && !told.contains(" more in the last ");
    ensure!(told.lines().filter(is_line).count() == 1, "{told}");
    let lock = lock_of_root(&dir)?;
    slave.wait_for(&format!(
        "{} is a file of user {STRANGER}; the lock of this slave is {}",
        dir.join(LOCK).display(),
        lock.display()
    ))?;

    let second = fleet.slave(0, &[])?.wait()?;
    ensure!(second.code() == Some(2) && second.stderr.contains("another slave uses the work dir"), "{second:?}");
    end(&slave)?;
    ensure!(!lock.exists(), "{} remains", lock.display());
    [other, errors].iter().try_for_each(fs::remove_file)?;
    ensure!(left_in(&dir)? == strangers, "{:?}", left_in(&dir)?);
    Ok(())
}

fn no_kind_of_file_takes_the_lock_from_root() -> Result<()> {
    let (fleet, dir) = shared()?;
    let path = dir.join(LOCK);
    let kinds: [(&str, &dyn Fn() -> Result<()>); 3] = [
        ("a symbolic link", &|| Ok(symlink("/etc/hostname", &path)?)),
        ("a FIFO", &|| Ok(nix::unistd::mkfifo(&path, Mode::S_IRWXU)?)),
        ("a directory", &|| Ok(fs::create_dir(&path)?)),
    ];
    for (kind, make) in kinds {
        make()?;
        lchown(&path, Some(STRANGER), Some(STRANGER))?;
        let slave = fleet.listening_slave(0, &[])?;
        ensure!(slave.output_so_far().contains(kind), "{}", slave.output_so_far());
        end(&slave)?;
        let refused = fleet.slave_through(0, AS_NOBODY, &[])?.wait()?;
        let expected = format!("{} is {kind}", path.display());
        ensure!(refused.code() == Some(2) && refused.stderr.contains(&expected), "{refused:?}");
        ensure!(refused.stderr.contains("of user 12345; remove it if no slave of that user runs here, or choose"));
        ensure!(!refused.stderr.contains("denied"), "{refused:?}");
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path))?;
    }
    Ok(())
}

fn slaves_of_root_and_of_a_user_are_kept_apart() -> Result<()> {
    let (fleet, dir) = shared()?;
    let of_root = fleet.listening_slave(0, &[])?;
    let refused = fleet.slave_through(0, AS_NOBODY, &[])?.wait()?;
    let expected = format!("{} is a file of user root;", dir.join(LOCK).display());
    ensure!(refused.code() == Some(2) && refused.stderr.contains(&expected), "{refused:?}");
    end(&of_root)?;

    // A user cannot stop root, so both slaves run, with files of their own.
    let of_nobody = fleet.slave_through(0, AS_NOBODY, &[])?;
    wait_until_listening(&of_nobody)?;
    let of_root = fleet.listening_slave(0, &[])?;
    let finished = fleet.master(2, &fleet.conf("/usr/bin/id -u\n")?, &["--gather"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let mut outputs =
        vec![fs::read_to_string(dir.join("synexec.out"))?, fs::read_to_string(dir.join("synexec.out.1"))?];
    outputs.sort();
    ensure!(outputs == ["0\n", "65534\n"], "{outputs:?}");
    end(&of_root)?;
    end(&of_nobody)
}

fn files_of_a_stranger_only_rename_the_output() -> Result<()> {
    let (fleet, dir) = shared()?;
    touch(&dir.join("synexec.out"))?;
    let slave = fleet.slave_through(0, AS_NOBODY, &[])?;
    wait_until_listening(&slave)?;
    names_of(&slave, &dir).iter().try_for_each(|name| touch(name))?;
    let strangers = left_in(&dir)?;
    let finished = fleet.master(1, &fleet.conf("/bin/cat :CONF:\nmine\n")?, &["--gather"])?.wait()?;
    ensure!(finished.code() == Some(0) && finished.stdout.contains("mine\n"), "{finished:?}");
    slave.wait_for("session over")?;
    end(&slave)?;
    ensure!(fs::read_to_string(dir.join("synexec.out.1"))? == "mine\n");
    fs::remove_file(dir.join("synexec.out.1"))?;
    let left: Vec<_> = left_in(&dir)?;
    ensure!(left == strangers.into_iter().filter(|name| name != LOCK).collect::<Vec<_>>(), "{left:?}");
    Ok(())
}

fn the_payload_is_removed_under_any_name() -> Result<()> {
    let (fleet, dir) = shared()?;
    let slave = fleet.listening_slave(0, &[])?;
    let [payload, held] = names_of(&slave, &dir);
    touch(&payload)?;
    let master = fleet.master(1, &fleet.conf("/bin/sh :CONF:\necho running; exec sleep 1000\n")?, &[])?;
    fleet.wait_for_output(0, "running")?;
    slave.signal(Signal::SIGKILL)?;
    let is_payload = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("synexec_slave_conf.");
    let is_removed = || left_in(&dir).is_ok_and(|left| left.iter().filter(|name| is_payload(name)).count() == 1);
    synexec_tests::process::eventually("the keeper to remove the payload", || is_removed().then_some(()))?;
    ensure!(payload.exists() && !held.exists());
    drop(master);
    Ok(())
}
