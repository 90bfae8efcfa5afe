//! Sending signals to the descendants of this process: tasks, and every process that a task has started.

use std::collections::BTreeSet;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use super::group::ProcessGroup;
use super::stat::{Stat, children_of};
use super::{children, syscalls};

/// Most searches for descendants in one call: each search finds processes that were forked or adopted during the one
/// before.
const SEARCHES_MAX: usize = 16;

/// Sends a signal to every descendant of this process, except foreign children and members of the group `served`. The
/// caller has sent the signal to that group already.
///
/// # Errors
/// A descendant cannot be signalled, as when it runs as another user. All other descendants get the signal
/// nevertheless; the first error is returned.
pub fn signal_descendants(signal: Signal, served: Option<ProcessGroup>) -> io::Result<()> {
    let (us, mut signalled, mut result) = (getpid(), BTreeSet::new(), Ok(()));
    let foreign = children::foreign();
    for _ in 0..SEARCHES_MAX {
        let family = descendants(us, &foreign);
        let new: Vec<Pid> = family.iter().copied().filter(|pid| *pid != us && signalled.insert(*pid)).collect();
        if new.is_empty() {
            break;
        }
        for pid in new {
            let is_unserved_descendant =
                |stat: &Stat| family.contains(&stat.parent) && served.is_none_or(|group| stat.group != group.0);
            result = result.and(signal_if(pid, signal, is_unserved_descendant));
        }
    }
    result
}

/// Sends a signal to a process if its current state matches `is_meant`. The check guards against a reused process id.
///
/// # Errors
/// The process cannot be signalled, as when it runs as another user. A process that is gone is no error.
pub(super) fn signal_if(pid: Pid, signal: Signal, is_meant: impl Fn(&Stat) -> bool) -> io::Result<()> {
    let process = syscalls::pidfd_open(pid);
    if !Stat::of(pid).is_some_and(|stat| is_meant(&stat)) {
        return Ok(());
    }
    let sent = match process {
        Ok(process) => syscalls::pidfd_send_signal(&process, signal),
        // Kernels before 5.3 have no pidfd.
        Err(_) => kill(pid, signal).map_err(io::Error::from),
    };
    match sent {
        Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Ok(()),
        sent => sent,
    }
}

/// The process `from` and its descendants, except foreign children and their descendants.
fn descendants(from: Pid, foreign: &[Pid]) -> BTreeSet<Pid> {
    let (mut found, mut unvisited) = (BTreeSet::from([from]), vec![from]);
    while let Some(parent) = unvisited.pop() {
        let ours = children_of(parent).into_iter().filter(|child| !foreign.contains(child));
        unvisited.extend(ours.filter(|child| found.insert(*child)));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::stat::find_children_of;
    use super::*;

    #[test]
    fn descendants_outside_the_group_are_found_with_and_without_the_kernels_lists() {
        let mut shell = Command::new("/bin/sh").args(["-c", "setsid sleep 1000 & sleep 1000 & wait"]).spawn().unwrap();
        let pid = Pid::from_raw(shell.id().try_into().unwrap());
        let mut family = descendants(pid, &[]);
        while family.len() < 3 {
            family = descendants(pid, &[]);
        }
        let first = *family.iter().find(|member| **member != pid).unwrap();
        assert_eq!(descendants(pid, &[first]).len(), 2);
        let mut found = find_children_of(pid);
        found.push(pid);
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), family);
        for member in family {
            signal_if(member, Signal::SIGKILL, |_| true).unwrap();
        }
        shell.wait().unwrap();
        signal_if(pid, Signal::SIGKILL, |_| true).unwrap();
    }
}
