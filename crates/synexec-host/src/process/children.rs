//! The children of this process: those that it has made, and those that it has adopted.
//!
//! As a child subreaper, prctl(2), it becomes the parent of whatever a task has started and left, however far that has
//! got away (setsid, a fork behind a fork). So what tasks start is its family as long as it lives, and when it dies its
//! zombies are reaped here. A child of our own making is left to the thread that waits for it.

use std::io::{self, PipeWriter, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::{ForkResult, Pid, fork, getpid};

use super::stat::children_of;
use super::syscalls::{self, Children};

/// Locked from a fork until the child is noted, so that a child of our own is never mistaken for an adopted one.
static CENSUS: Mutex<Census> =
    Mutex::new(Census { adopts: false, is_clear: true, own: Vec::new(), foreign: Vec::new(), kept: None });

#[derive(Debug)]
struct Census {
    adopts: bool,
    /// Whether every process that tasks have started has ended.
    is_clear: bool,
    /// Children that a thread of this process waits for.
    own: Vec<Pid>,
    /// Children that were there before the tasks: of a shell that has executed this program in its place, what those
    /// have left, and where this program is the first of its pid namespace, what anybody there has. They are no task's.
    foreign: Vec<Pid>,
    kept: Option<KeeperLink>,
}

/// The pipe to the keeper, and what the keeper was told.
#[derive(Debug)]
struct KeeperLink {
    pipe: PipeWriter,
    mark: String,
    /// The session that the keeper was told last; 0 for none.
    told: i32,
    /// Whether the keeper has ended, which the log says once.
    is_gone: bool,
}

/// A child that this process forked. It must be reaped before this value is dropped.
#[derive(Debug)]
pub(super) struct OwnChild(Pid);

/// Makes this process adopt what its tasks leave, and reap it. To be called before the first thread is started.
///
/// # Errors
/// Those of the system calls, or when no thread is to be had.
pub fn adopt_orphans() -> io::Result<()> {
    set_child_subreaper(true)?;
    let child_ended = SigSet::from_iter([Signal::SIGCHLD]);
    child_ended.thread_block()?;
    let foreign = children_of(getpid());
    (census().adopts, census().foreign) = (true, foreign);
    let reap = move || {
        while child_ended.wait().is_ok() {
            // Where this fails, the next signal tries again.
            let _ = census().reap_adopted();
        }
    };
    thread::Builder::new().name("reaper".into()).spawn(reap).map(drop)
}

/// Connects the keeper. From now on, every task gets this mark in its environment and dies with the thread that forked
/// it, and the pipe tells the keeper the session of every task.
pub(super) fn connect_keeper(pipe: PipeWriter, mark: String) -> io::Result<()> {
    // Writing to a stopped keeper must not block this process.
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    census().kept = Some(KeeperLink { pipe, mark, told: 0, is_gone: false });
    Ok(())
}

/// The mark by which the keeper recognises tasks, if there is a keeper.
pub(super) fn mark() -> Option<String> {
    census().kept.as_ref().map(|kept| kept.mark.clone())
}

/// The children that belong to no task.
pub(super) fn foreign() -> Vec<Pid> {
    census().foreign.clone()
}

/// Whether processes that tasks have started are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descendants {
    /// All of them have ended, and none appears before the next task is held.
    Gone,
    /// At least one is there, or the system call failed.
    Left,
}

/// Reaps the adopted children that have ended, and tells whether other processes that tasks have started are left.
pub fn reap_adopted() -> Descendants {
    match census().reap_adopted() {
        Ok(Children::None) => Descendants::Gone,
        _ => Descendants::Left,
    }
}

impl OwnChild {
    /// Forks; none in the child.
    ///
    /// # Safety
    /// As for `fork`: the child of a process with threads may only do what is async-signal-safe.
    pub(super) unsafe fn fork() -> io::Result<Option<Self>> {
        let mut census = census();
        census.refresh_foreign();
        // SAFETY: the caller's promise. The child only lets go of the lock, which allocates nothing.
        match unsafe { fork() }? {
            ForkResult::Child => Ok(None),
            ForkResult::Parent { child } => {
                census.own.push(child);
                census.is_clear = false;
                census.tell_keeper(child.as_raw());
                Ok(Some(Self(child)))
            }
        }
    }

    /// The process id of the child.
    pub(super) fn pid(&self) -> Pid {
        self.0
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        let mut census = census();
        census.own.retain(|own| *own != self.0);
        // While its zombie was there, those behind it were not seen. Where this fails, the next signal tries again.
        let _ = census.reap_adopted();
    }
}

impl Census {
    /// If nothing of earlier tasks is left, every present child is foreign.
    fn refresh_foreign(&mut self) {
        if self.adopts && self.is_clear {
            self.foreign = children_of(getpid());
        }
    }

    /// Reaps who is dead and was adopted; gives what is left. A dead child of our own making hides the others, but not
    /// for long.
    fn reap_adopted(&mut self) -> io::Result<Children> {
        let left = loop {
            match syscalls::look_at_children()? {
                Children::Dead(pid) if self.adopts && !self.own.contains(&pid) => {
                    syscalls::reap(pid)?;
                    self.foreign.retain(|foreign| *foreign != pid);
                }
                Children::Living if self.are_all_foreign() => break Children::None,
                left => break left,
            }
        };
        if left == Children::None {
            self.is_clear = true;
            self.tell_keeper(0);
        }
        self.forget_ended_session();
        Ok(left)
    }

    fn are_all_foreign(&self) -> bool {
        !self.foreign.is_empty() && children_of(getpid()).iter().all(|child| self.foreign.contains(child))
    }

    /// When nobody is left of the process group of the child that the keeper was told of, its number may come to mean
    /// another session, which is not the keeper's to end.
    fn forget_ended_session(&mut self) {
        let told = Pid::from_raw(self.kept.as_ref().map_or(0, |kept| kept.told));
        if told.as_raw() != 0 && !self.own.contains(&told) && killpg(told, None) == Err(Errno::ESRCH) {
            self.tell_keeper(0);
        }
    }

    /// Tells the keeper in which session the task is; 0 when nothing is left of it.
    fn tell_keeper(&mut self, session: i32) {
        let Some(kept) = self.kept.as_mut().filter(|kept| !kept.is_gone && kept.told != session) else { return };
        kept.told = session;
        if let Err(error) = kept.pipe.write_all(&session.to_ne_bytes())
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            kept.is_gone = true;
            log::warn!("the keeper is gone; if this slave is killed, what its task has started may go on");
        }
    }
}

/// Locks the census. A thread that panicked with the lock held has left no update half done.
fn census() -> MutexGuard<'static, Census> {
    CENSUS.lock().unwrap_or_else(PoisonError::into_inner)
}
