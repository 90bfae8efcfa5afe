//! Files that slaves leave in their work dir when they are killed. The pid of a slave is in the names of its files.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, getpid};
use synexec_host::files;
use synexec_host::identity::Identity;

use crate::output_file;

/// Beginning of a payload's name. The pid of the slave follows, and another number if that name is taken.
pub const PAYLOAD_PREFIX: &str = "synexec_slave_conf.";

/// Removes the files of slaves that were killed. Files of other users stay: an original slave may use the directory
/// too.
pub fn remove_stale_files(work_dir: &Path, tasks: Option<&Identity>) {
    remove_own(work_dir, tasks, |name| slave_of(name).is_some_and(is_dead));
}

/// Removes the payloads of the slave with this pid.
pub fn remove_payloads(work_dir: &Path, tasks: Option<&Identity>, slave: i32) {
    remove_own(work_dir, tasks, |name| slave_of_payload(name) == Some(slave));
}

/// Removes the files that `is_meant` selects by their names, except files of other users.
fn remove_own(work_dir: &Path, tasks: Option<&Identity>, is_meant: impl Fn(&str) -> bool) {
    let entries = std::fs::read_dir(work_dir).into_iter().flatten().flatten();
    for entry in entries {
        let is_ours = || entry.metadata().is_ok_and(|metadata| files::is_ours(&metadata, tasks));
        if entry.file_name().to_str().is_some_and(&is_meant) && is_ours() {
            // If this fails, the file does no more harm than before.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether no process of this pid writes to the directory. A file with the pid of this process is from an earlier
/// process: in a container, each slave may be process 1.
fn is_dead(pid: i32) -> bool {
    let pid = Pid::from_raw(pid);
    pid == getpid() || (pid.as_raw() > 0 && kill(pid, None) == Err(Errno::ESRCH))
}

/// The pid of the slave that has created a file of this name.
fn slave_of(name: &str) -> Option<i32> {
    name.strip_prefix(output_file::HELD_PREFIX).and_then(first_number).or_else(|| slave_of_payload(name))
}

/// The pid of the slave that has created a payload file of this name.
fn slave_of_payload(name: &str) -> Option<i32> {
    name.strip_prefix(PAYLOAD_PREFIX).and_then(first_number)
}

fn first_number(numbers: &str) -> Option<i32> {
    numbers.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_dead_slaves_are_removed_and_those_of_living_slaves_stay() {
        let dir = tempfile::tempdir().unwrap();
        let of = |pid: &str| ["synexec_slave_conf.PID", "synexec_slave_out.PID.7"].map(|name| name.replace("PID", pid));
        let (living, dead) = (of("1"), of("2147483647"));
        for name in living.iter().chain(&dead) {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        remove_stale_files(dir.path(), None);
        let is_there = |name: &String| dir.path().join(name).exists();
        assert!(living.iter().all(is_there) && !dead.iter().any(is_there));
    }
}
