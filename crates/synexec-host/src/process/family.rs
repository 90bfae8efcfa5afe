//! All that tasks have started and that is still there: the descendants of this process.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use super::stat::Stat;
use super::{children, raw};

/// How often the family is looked through for those who were born, or adopted, while it was.
const ROUNDS: usize = 16;

/// Whether nobody is left of what tasks have started. Once that is so it stays so until the next task.
pub fn is_gone() -> bool {
    children::has_none()
}

/// Sends everybody a signal, but for those who had it already as members of a process group.
///
/// # Errors
/// The first one, when all others had their signal.
pub fn signal(signal: Signal, served: Option<super::ProcessGroup>) -> io::Result<()> {
    let (us, mut told, mut result) = (getpid(), BTreeSet::new(), Ok(()));
    let foreign = children::foreign();
    for _ in 0..ROUNDS {
        let family = descendants(us, &foreign);
        let fresh: Vec<Pid> = family.iter().copied().filter(|pid| *pid != us && told.insert(*pid)).collect();
        if fresh.is_empty() {
            break;
        }
        for pid in fresh {
            let is_member =
                |stat: &Stat| family.contains(&stat.parent) && served.is_none_or(|group| stat.group != group.0);
            result = result.and(signal_one(pid, signal, is_member));
        }
    }
    result
}

/// Signals a process that is still who it was.
pub(super) fn signal_one(pid: Pid, signal: Signal, is_meant: impl Fn(&Stat) -> bool) -> io::Result<()> {
    let process = raw::pidfd_open(pid);
    if !Stat::of(pid).is_some_and(|stat| is_meant(&stat)) {
        return Ok(());
    }
    let sent = match process {
        Ok(process) => raw::pidfd_send_signal(&process, signal),
        // Kernels before 5.3 have no such thing.
        Err(_) => kill(pid, signal).map_err(io::Error::from),
    };
    match sent {
        Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Ok(()),
        sent => sent,
    }
}

/// A process and all that come from it, but for those who are foreign and what comes from them.
fn descendants(from: Pid, foreign: &[Pid]) -> BTreeSet<Pid> {
    let (mut found, mut unvisited) = (BTreeSet::from([from]), vec![from]);
    while let Some(parent) = unvisited.pop() {
        let ours = children_of(parent).into_iter().filter(|child| !foreign.contains(child));
        unvisited.extend(ours.filter(|child| found.insert(*child)));
    }
    found
}

/// The kernel has lists of them, unless it was built without.
pub(super) fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => children.extend(list.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw)),
            Err(_) if thread.path().exists() => return looked_for_everywhere(parent),
            Err(_) => {}
        }
    }
    children
}

fn looked_for_everywhere(parent: Pid) -> Vec<Pid> {
    Stat::of_all().into_iter().flatten().filter(|stat| stat.parent == parent).map(|stat| stat.pid).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn those_who_left_the_group_are_found_with_and_without_the_kernels_lists() {
        let mut shell = Command::new("/bin/sh").args(["-c", "setsid sleep 1000 & sleep 1000 & wait"]).spawn().unwrap();
        let pid = Pid::from_raw(shell.id().try_into().unwrap());
        let mut family = descendants(pid, &[]);
        while family.len() < 3 {
            family = descendants(pid, &[]);
        }
        let first = *family.iter().find(|member| **member != pid).unwrap();
        assert_eq!(descendants(pid, &[first]).len(), 2);
        let mut found = looked_for_everywhere(pid);
        found.push(pid);
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), family);
        for member in family {
            signal_one(member, Signal::SIGKILL, |_| true).unwrap();
        }
        shell.wait().unwrap();
        signal_one(pid, Signal::SIGKILL, |_| true).unwrap();
    }
}
