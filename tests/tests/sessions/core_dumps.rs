//! Core dumps of a program with a key, and of its tasks.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, lchown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::{Fleet, as_slave, wait_until_listening};
use synexec_tests::lab::Host;
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::missing::Missing;
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;

use crate::user::nobody;

pub const TESTS: &[(&str, Test)] = &[
    ("core_dumps::the_key_is_in_no_core_dump", the_key_is_in_no_core_dump),
    ("core_dumps::tasks_have_the_filter_that_they_would_have_without_a_key", tasks_have_the_usual_filter),
];

/// Starts a program with no limit for core dumps.
const UNLIMITED: [&str; 4] = ["sh", "-c", "ulimit -c unlimited && exec \"$@\"", "sh"];

/// A secret, and the key that the programs derive from it.
struct Secret {
    file: String,
    key: [u8; 32],
}

impl Secret {
    fn new(dir: &Path) -> Result<Self> {
        let path = dir.join("key");
        fs::write(&path, "a secret for core dumps\n")?;
        std::process::Command::new("chmod").arg("600").arg(&path).status()?;
        let key = blake3::derive_key("synexec 1 shared secret", b"a secret for core dumps");
        Ok(Self { file: path.display().to_string(), key })
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Whether the writable memory of a process contains these bytes.
fn memory_contains(process: &Process, needle: &[u8]) -> Result<bool> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.pid()))?;
    let memory = File::open(format!("/proc/{}/mem", process.pid()))?;
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let (from, to) = line.split(' ').next().and_then(|range| range.split_once('-')).context("no range")?;
        let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
        let mut bytes = vec![0; usize::try_from(to - from)?];
        // The end of the heap may have been given back since the map was read.
        let read = memory.read_at(&mut bytes, from).unwrap_or(0);
        if contains(&bytes[..read], needle) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Core dumps are files in the directory of the process only with such a pattern, core(5).
fn ensure_core_files() -> Result<()> {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
    ensure!(pattern.starts_with("core"), Missing("core dumps are no files in the directory of the process"));
    Ok(())
}

/// Takes the one core dump in a directory.
fn take_core_dump(dir: &Path) -> Result<Vec<u8>> {
    let is_core = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core"));
    let paths = fs::read_dir(dir)?.filter_map(|entry| Some(entry.ok()?.path()));
    let path = paths.into_iter().find(is_core).ok_or(Missing("this system writes no core dumps"))?;
    let core = fs::read(&path)?;
    fs::remove_file(path)?;
    ensure!(core.starts_with(b"\x7fELF"), "this is no core dump");
    Ok(core)
}

/// Aborts a program, and checks that its core dump does not contain the key that its memory contains.
fn abort_without_trace(program: &Process, dir: &Path, key: &[u8]) -> Result<()> {
    eventually("the key in the memory", || memory_contains(program, key).unwrap_or(false).then_some(()))?;
    program.signal(Signal::SIGABRT)?;
    program.wait()?;
    ensure!(!contains(&take_core_dump(dir)?, key), "the core dump contains the key");
    Ok(())
}

fn unlimited(host: &Host) -> std::process::Command {
    let mut command = host.command(UNLIMITED[0]);
    command.args(&UNLIMITED[1..]);
    command
}

fn the_key_is_in_no_core_dump() -> Result<()> {
    ensure_core_files()?;
    let fleet = Fleet::new(1)?;
    let (control, guest) = (fleet.control.dir().to_owned(), fleet.guests[0].dir().to_owned());
    let Secret { file, key } = Secret::new(&control)?;
    let mut slave = unlimited(&fleet.guests[0]);
    let slave = Process::spawn(as_slave(slave.arg(programs::slave()), &fleet.guests[0], "vm0", &["-k", &file]))?;
    wait_until_listening(&slave)?;

    // A task has core dumps as before, and they show that there are core dumps here.
    let mark = "the mark of this task";
    let conf = fleet.conf(format!("/bin/sh :CONF:\nmark='{mark}'\nkill -ABRT $$\n"))?;
    let finished = fleet.master(1, &conf, &["-k", &file])?.wait()?;
    ensure!(finished.code() == Some(1), "{finished:?}");
    let core = take_core_dump(&guest)?;
    ensure!(contains(&core, mark.as_bytes()) && !contains(&core, &key), "{} bytes", core.len());
    abort_without_trace(&slave, &guest, &key)?;

    let mut master = unlimited(&fleet.control);
    let master = Process::spawn(master.arg(programs::master()).args(["-k", &file, "1"]).arg(&conf))?;
    master.wait_for("waiting")?;
    abort_without_trace(&master, &control, &key)
}

fn tasks_have_the_usual_filter() -> Result<()> {
    nobody()?;
    let usual = fs::read_to_string("/proc/self/coredump_filter")?;
    let fleet = Fleet::new(1)?;
    let Secret { file, .. } = Secret::new(fleet.control.dir())?;
    let options = ["-k", &file];
    let file_of_nobody = fleet.guests[0].dir().join("key").display().to_string();
    fs::copy(&file, &file_of_nobody)?;
    lchown(&file_of_nobody, Some(65534), None)?;
    let of_nobody = ["-k", &file_of_nobody];
    let conf = fleet.conf("/bin/cat /proc/self/coredump_filter\n")?;
    let as_nobody = ["setpriv", "--reuid", "65534", "--clear-groups", "--no-new-privs"];
    fs::set_permissions(fleet.guests[0].dir(), std::os::unix::fs::PermissionsExt::from_mode(0o1777))?;
    let as_user = [&options[..], &["--user", "nobody"]].concat();
    for (wrapper, options_of_slave) in [(&[][..], &options[..]), (&[], &as_user), (&as_nobody, &of_nobody)] {
        let slave = fleet.slave_through(0, wrapper, options_of_slave)?;
        let finished = fleet.master(1, &conf, &options)?.wait()?;
        ensure!(finished.code() == Some(0) && fleet.output(0)? == usual, "{finished:?}, {}", fleet.output(0)?);
        // A slave that is not root can trace its task as without a key.
        slave.wait_for("task held (loaded)")?;
        let own = fs::read_to_string(format!("/proc/{}/coredump_filter", slave.pid()))?;
        ensure!(own == "00000000\n" && own != usual, "{own}");
        slave.signal(Signal::SIGTERM)?;
        slave.wait()?;
    }
    Ok(())
}
