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

/// Longest time for which the keeper searches for processes and kills them.
const KILL_FOR: Duration = Duration::from_secs(5);

/// Pause between two searches through all processes.
const PAUSE: Duration = Duration::from_millis(10);

/// Number of searches in a row that must find no process. One search is too few: during exec, a process has no
/// environment for a moment.
const CLEAN_SEARCHES: u32 = 2;

/// Starts the keeper of this process. When this process is gone, the keeper also calls `clean_up`. Call this function
/// before the first thread starts, and before [`super::adopt_orphans`], so that this process does not adopt the keeper.
///
/// # Errors
/// The system gives no pipe or no process, or the keeper fails before it has closed the files of this process.
pub fn start(clean_up: &dyn Fn()) -> io::Result<()> {
    let us = getpid();
    if us == Pid::from_raw(1) {
        // The kernel kills all other processes of the pid namespace with its first process, pid_namespaces(7).
        return Ok(());
    }
    let mark = format!("{us}-{}", monotonic_now().as_nanos());
    let (slave, pipe) = io::pipe()?;
    set_child_subreaper(false)?;
    let group = make_group(&mark);
    // SAFETY: this process has no other thread yet.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(pipe);
            fork_and_exit(Keeper { slave, group, mark: format!("{MARK}={mark}"), clean_up, session: Pid::from_raw(0) })
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

/// Makes the control group of this slave; none where that is not possible.
fn make_group(mark: &str) -> Option<ControlGroup> {
    let why_not = |why: &io::Error| log::debug!("no control group for this slave: {why}");
    ControlGroup::create(mark).inspect_err(why_not).ok()
}

/// Moves this process into its control group. The keeper must stay outside, so this runs after the keeper was forked.
fn enter(group: Option<ControlGroup>) {
    if let Some(Err(why)) = group.map(|group| group.enter()) {
        log::debug!("this slave cannot enter its control group: {why}");
    }
}

/// Forks the keeper, and exits when the keeper has closed the slave's files. While the keeper holds the lock of the
/// work dir, no other slave can use the work dir.
fn fork_and_exit(keeper: Keeper<'_>) -> ! {
    let status = i32::from(start_keeper(keeper).is_err());
    // SAFETY: unlike exit, _exit runs no handler that the slave has registered.
    unsafe { libc::_exit(status) }
}

fn start_keeper(keeper: Keeper<'_>) -> io::Result<()> {
    let (mut settled, ready) = io::pipe()?;
    // SAFETY: this process has no other thread.
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

/// The state of the keeper process.
struct Keeper<'a> {
    /// The pipe from the slave, with the session of each task. It closes when the slave is gone.
    slave: PipeReader,
    /// The control group of the slave, if there is one.
    group: Option<ControlGroup>,
    /// The mark as an entry of an environment, `NAME=VALUE`.
    mark: String,
    /// What else is to be done when the slave is gone.
    clean_up: &'a dyn Fn(),
    /// The session of the last task; 0 when all of the task's processes have ended.
    session: Pid,
}

impl Keeper<'_> {
    /// Waits until the slave is gone, and then ends its tasks.
    fn keep(mut self, mut ready: PipeWriter) -> io::Result<Infallible> {
        self.settle(&ready)?;
        ready.write_all(&[0])?;
        drop(ready);
        let mut session = [0; 4];
        while self.slave.read_exact(&mut session).is_ok() {
            self.session = Pid::from_raw(i32::from_ne_bytes(session));
        }
        self.end_all();
        (self.clean_up)();
        Err(io::ErrorKind::BrokenPipe.into())
    }

    /// Leaves the slave's session and directory, and closes its files, locks and sockets. Ignores the signals that end
    /// the slave.
    fn settle(&self, ready: &PipeWriter) -> io::Result<()> {
        for ignored in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            // SAFETY: an ignored signal runs no code of this program.
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
                // This fails for the descriptor that was open only while the list was made.
                let _ = close(descriptor);
            }
        }
        Ok(())
    }

    /// Kills all processes of tasks, and removes the control group.
    fn end_all(&self) {
        if let Some(group) = &self.group {
            // After an error, the search below still finds most processes.
            let _ = group.kill();
        }
        let (since, mut clean_searches) = (monotonic_now(), 0);
        while clean_searches < CLEAN_SEARCHES && monotonic_now().since(since) < KILL_FOR {
            clean_searches = if self.find_and_kill() { 0 } else { clean_searches + 1 };
            thread::sleep(PAUSE);
        }
        while self.group.as_ref().is_some_and(|group| !group.try_remove()) && monotonic_now().since(since) < KILL_FOR {
            thread::sleep(PAUSE);
        }
    }

    /// Searches for the processes of tasks and kills them. Returns whether the search found any.
    fn find_and_kill(&self) -> bool {
        let us = getpid();
        let all = Stat::of_all().into_iter().flatten();
        let found: Vec<_> = all.filter(|stat| stat.pid != us && stat.is_alive() && self.is_of_a_task(stat)).collect();
        for stat in &found {
            // This fails only for a process that is gone already, or that now belongs to another user.
            let _ = descendants::signal_if(stat.pid, Signal::SIGKILL, |stat| self.is_of_a_task(stat));
        }
        !found.is_empty()
    }

    /// Whether the process belongs to a task: it is in the last task's session, or has the mark.
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
