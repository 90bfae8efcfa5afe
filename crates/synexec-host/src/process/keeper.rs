//! The keeper: a process that ends a slave's tasks after the slave was killed.
//!
//! The keeper waits at a pipe until the slave is gone. It is not the parent of the processes that tasks start. If the
//! slave can make a control group of its own, it enters that group, and the keeper kills every process in the group.
//! Otherwise the keeper finds the processes by a mark in the environment of every task, or by the session of the last
//! task. It then misses a process that has dropped the mark and left the session.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::prctl::{set_child_subreaper, set_name};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, chdir, close, dup2_stderr, dup2_stdin, dup2_stdout, fork, getpid, setsid};

use super::control_group::ControlGroup;
use super::stat::Stat;
use super::{children, descendants};
use crate::clock::monotonic_now;
use crate::descriptors;

/// The environment variable that holds the mark of a slave's tasks.
pub(super) const MARK: &str = "SYNEXEC_TASK";

/// How long the keeper goes on killing processes that do not die, or new ones.
const KILL_FOR: Duration = Duration::from_secs(5);

/// Pause between two looks at all processes.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks in a row that must find nothing: a process has no environment for a moment while it executes its program.
const CLEAN_LOOKS: u32 = 2;

/// Starts the keeper of this process, which also removes a file when this process was killed and could not. To be
/// called before the first thread is started, and before [`super::adopt_orphans`], since the keeper is not to be
/// adopted.
///
/// # Errors
/// Those of the system calls.
pub fn start(leftover: &Path) -> io::Result<()> {
    let us = getpid();
    if us == Pid::from_raw(1) {
        // All others of its pid namespace end with it, pid_namespaces(7).
        return Ok(());
    }
    let mark = format!("{us}-{}", monotonic_now().as_nanos());
    let (slave, pipe) = io::pipe()?;
    set_child_subreaper(false)?;
    let group = make_group(&mark);
    // SAFETY: there is no other thread yet.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(pipe);
            go_between(Keeper { slave, group, mark: format!("{MARK}={mark}"), leftover, session: Pid::from_raw(0) })
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => {
                enter(group);
                children::connect_keeper(pipe, mark)
            }
            other => Err(io::Error::other(format!("the keeper could not be started: {other:?}"))),
        },
    }
}

fn make_group(mark: &str) -> Option<ControlGroup> {
    let why_not = |why: &io::Error| log::debug!("no control group for this slave: {why}");
    ControlGroup::create(mark).inspect_err(why_not).ok()
}

/// After the keeper is made, which is not to be in it.
fn enter(group: Option<ControlGroup>) {
    if let Some(Err(why)) = group.map(|group| group.enter()) {
        log::debug!("this slave cannot be in its control group: {why}");
    }
}

/// Becomes the keeper's parent, and ends when the keeper has let go of all that is the slave's: another slave could not
/// have the work dir while the keeper has its lock.
fn go_between(keeper: Keeper<'_>) -> ! {
    let status = i32::from(start_keeper(keeper).is_err());
    // SAFETY: unlike exit, it runs nothing that the slave has registered.
    unsafe { libc::_exit(status) }
}

fn start_keeper(keeper: Keeper<'_>) -> io::Result<()> {
    let (mut settled, ready) = io::pipe()?;
    // SAFETY: there is no other thread in this process.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(settled);
            keeper.keep(ready).map(|_| ())
        }
        ForkResult::Parent { .. } => {
            drop(ready);
            settled.read_exact(&mut [0])
        }
    }
}

#[derive(Debug)]
struct Keeper<'a> {
    /// Tells sessions, and is closed when the slave is gone.
    slave: PipeReader,
    /// The slave's, where it has one.
    group: Option<ControlGroup>,
    /// As it stands in an environment.
    mark: String,
    leftover: &'a Path,
    /// The session of the last task; 0 when nothing of it is left.
    session: Pid,
}

impl Keeper<'_> {
    fn keep(mut self, mut ready: PipeWriter) -> io::Result<Infallible> {
        self.settle(&ready)?;
        ready.write_all(&[0])?;
        drop(ready);
        let mut session = [0; 4];
        while self.slave.read_exact(&mut session).is_ok() {
            self.session = Pid::from_raw(i32::from_ne_bytes(session));
        }
        self.end_all();
        // Mostly it is gone.
        let _ = fs::remove_file(self.leftover);
        Err(io::ErrorKind::BrokenPipe.into())
    }

    /// Lets go of all that is the slave's: its session, directory, files, locks and sockets; and does not end with it.
    fn settle(&self, ready: &PipeWriter) -> io::Result<()> {
        for ignored in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            // SAFETY: ignoring runs no code of ours.
            unsafe { signal(ignored, SigHandler::SigIgn) }?;
        }
        setsid()?;
        set_name(c"synexec_keeper")?;
        chdir(c"/")?;
        let nothing = File::options().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&nothing)?;
        dup2_stdout(&nothing)?;
        dup2_stderr(&nothing)?;
        drop(nothing);
        let kept = [self.slave.as_raw_fd(), ready.as_raw_fd()];
        for descriptor in descriptors::open()? {
            if descriptor > libc::STDERR_FILENO && !kept.contains(&descriptor) {
                // That by which they were found is closed already.
                let _ = close(descriptor);
            }
        }
        Ok(())
    }

    fn end_all(&self) {
        if let Some(group) = &self.group {
            // Where this fails, most are found all the same.
            let _ = group.kill();
        }
        let (since, mut clean_looks) = (monotonic_now(), 0);
        while clean_looks < CLEAN_LOOKS && monotonic_now().since(since) < KILL_FOR {
            clean_looks = if self.kill_found() { 0 } else { clean_looks + 1 };
            thread::sleep(PAUSE);
        }
        while self.group.as_ref().is_some_and(|group| !group.try_remove()) && monotonic_now().since(since) < KILL_FOR {
            thread::sleep(PAUSE);
        }
    }

    /// Kills the processes of tasks, and returns whether there were any.
    fn kill_found(&self) -> bool {
        let us = getpid();
        let all = Stat::of_all().into_iter().flatten();
        let found: Vec<_> = all.filter(|stat| stat.pid != us && stat.is_alive() && self.is_of_a_task(stat)).collect();
        for stat in &found {
            // This fails only for one that is gone already, or that has become another user's.
            let _ = descendants::signal_if(stat.pid, Signal::SIGKILL, |stat| self.is_of_a_task(stat));
        }
        !found.is_empty()
    }

    fn is_of_a_task(&self, stat: &Stat) -> bool {
        let is_in_session = self.session != Pid::from_raw(0) && stat.session == self.session;
        is_in_session || has_entry(&fs::read(format!("/proc/{}/environ", stat.pid)).unwrap_or_default(), &self.mark)
    }
}

fn has_entry(environment: &[u8], entry: &str) -> bool {
    environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_entry_is_the_mark() {
        let environment = b"PATH=/bin\0SYNEXEC_TASK=12-34\0X=SYNEXEC_TASK=5-6\0";
        assert!(has_entry(environment, "SYNEXEC_TASK=12-34"));
        for other in ["SYNEXEC_TASK=12-3", "SYNEXEC_TASK=5-6", "SYNEXEC_TASK="] {
            assert!(!has_entry(environment, other), "{other}");
        }
        assert!(!has_entry(b"", "SYNEXEC_TASK=12-34"));
    }
}
