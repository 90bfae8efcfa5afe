//! The processes of a host: those in its network namespace.

use std::fs;

use anyhow::{Error, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Namespace;
use crate::process::eventually;

/// A process that runs on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// Its process id.
    pub pid: i32,
    /// The name of the process in the kernel, at most 15 bytes.
    pub name: String,
    state: char,
}

/// All processes of the host except zombies.
pub(super) fn all(inside: &Namespace) -> Result<Vec<Occupant>> {
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let ours = pids.filter(|pid| pid.starts_with(|first: char| first.is_ascii_digit()) && inside.holds(pid));
    Ok(ours.filter_map(|pid| occupant(&pid)).filter(|occupant| !"ZX".contains(occupant.state)).collect())
}

/// Stops all processes of the host, and the processes that they start meanwhile.
///
/// A process in vfork waits for its child to execute a program. The process cannot stop before this, but does not run
/// either.
pub(super) fn stop(inside: &Namespace) -> Result<()> {
    let stop_all = || {
        let told = signal(inside, Signal::SIGSTOP)?;
        let stands = |one: &Occupant| told.contains(&one.pid) && "TtD".contains(one.state);
        Ok::<_, Error>(all(inside)?.iter().all(stands))
    };
    eventually("all processes of the host to stop", || stop_all().map(|done| done.then_some(())).transpose())?
}

/// Sends each process a signal, and returns the processes.
pub(super) fn signal(inside: &Namespace, signal: Signal) -> Result<Vec<i32>> {
    let pids: Vec<_> = all(inside)?.into_iter().map(|occupant| occupant.pid).collect();
    for pid in &pids {
        // The process may have ended meanwhile.
        let _ = kill(Pid::from_raw(*pid), signal);
    }
    Ok(pids)
}

fn occupant(pid: &str) -> Option<Occupant> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, rest) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    Some(Occupant { pid: pid.parse().ok()?, name: name.to_owned(), state: rest.trim_start().chars().next()? })
}
