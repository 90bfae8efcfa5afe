//! The children of this process: forked children and adopted children.
//!
//! This process is a child subreaper, prctl(2): it adopts every orphan among the processes that tasks have started,
//! also after setsid or a double fork. Every process that a task starts thus stays a descendant of this process. This
//! module reaps adopted children. The thread that waits for a forked child reaps that child.

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

/// The census of the children. A lock is held from a fork until the new child is in `own`, so that a forked child never
/// counts as adopted.
static CENSUS: Mutex<Census> =
    Mutex::new(Census { adopts: false, is_clear: true, own: Vec::new(), foreign: Vec::new(), keeper: None });

#[derive(Debug)]
struct Census {
    /// Whether this process adopts orphans.
    adopts: bool,
    /// Whether every process that tasks have started has ended.
    is_clear: bool,
    /// Forked children, each with a thread of this process that waits for the child.
    own: Vec<Pid>,
    /// Children that belong to no task. A shell that has executed this program in its own place leaves its children
    /// behind. If this program is the first process of its pid namespace, it also adopts all orphans of the namespace.
    foreign: Vec<Pid>,
    /// The keeper, if there is one.
    keeper: Option<KeeperLink>,
}

/// The pipe to the keeper, and the last message to the keeper.
#[derive(Debug)]
struct KeeperLink {
    pipe: PipeWriter,
    /// The mark in the environment of every task.
    mark: String,
    /// The session in the last message to the keeper; 0 for none.
    told: i32,
    /// Whether the keeper has ended, which the log says once.
    is_gone: bool,
}

/// A child that this process forked. It must be reaped before this value is dropped.
#[derive(Debug)]
pub(super) struct OwnChild(Pid);

/// Makes this process adopt and reap the orphans of its tasks. Call it before the first thread starts.
///
/// # Errors
/// This process cannot become the parent of orphans, cannot block SIGCHLD, or cannot start a thread.
pub fn adopt_orphans() -> io::Result<()> {
    set_child_subreaper(true)?;
    let child_ended = SigSet::from_iter([Signal::SIGCHLD]);
    child_ended.thread_block()?;
    let foreign = children_of(getpid());
    (census().adopts, census().foreign) = (true, foreign);
    let reap = move || {
        while child_ended.wait().is_ok() {
            // After an error, the next signal tries again.
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
    census().keeper = Some(KeeperLink { pipe, mark, told: 0, is_gone: false });
    Ok(())
}

/// The mark by which the keeper recognises tasks, if there is a keeper.
pub(super) fn mark() -> Option<String> {
    census().keeper.as_ref().map(|keeper| keeper.mark.clone())
}

/// The children that belong to no task.
pub(super) fn foreign() -> Vec<Pid> {
    census().foreign.clone()
}

/// Whether processes that tasks have started are still alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descendants {
    /// All of these processes have ended. None appears before the next task is held.
    Gone,
    /// At least one process is alive, or the system call failed.
    Left,
}

/// Reaps the adopted children that have ended. Returns whether other processes that tasks have started are alive.
pub fn reap_adopted() -> Descendants {
    match census().reap_adopted() {
        Ok(Children::None) => Descendants::Gone,
        _ => Descendants::Left,
    }
}

impl OwnChild {
    /// Forks. Returns the new child in the parent, and none in the child.
    ///
    /// # Safety
    /// The rule of `fork` applies: the child of a process with threads may make only async-signal-safe calls.
    pub(super) unsafe fn fork() -> io::Result<Option<Self>> {
        let mut census = census();
        census.refresh_foreign();
        // SAFETY: the caller obeys the rule of `fork`. In the child, this function only unlocks the census, which
        // allocates nothing.
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
        // The zombie of this child may have hidden other dead children. After an error, the next signal tries again.
        let _ = census.reap_adopted();
    }
}

impl Census {
    /// Counts every present child as foreign if all processes of earlier tasks have ended.
    fn refresh_foreign(&mut self) {
        if self.adopts && self.is_clear {
            self.foreign = children_of(getpid());
        }
    }

    /// Reaps the dead adopted children, and returns the state of the remaining children. A dead forked child hides
    /// other dead children until its own thread reaps it.
    fn reap_adopted(&mut self) -> io::Result<Children> {
        let left = loop {
            match syscalls::poll_children()? {
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

    /// Tells the keeper to forget the session of a task when the task's process group is empty. The kernel may then
    /// reuse the number for another session, which the keeper must not kill.
    fn forget_ended_session(&mut self) {
        let told = Pid::from_raw(self.keeper.as_ref().map_or(0, |keeper| keeper.told));
        if told.as_raw() != 0 && !self.own.contains(&told) && killpg(told, None) == Err(Errno::ESRCH) {
            self.tell_keeper(0);
        }
    }

    /// Tells the keeper the session of the task; 0 when all processes of the task have ended.
    fn tell_keeper(&mut self, session: i32) {
        let is_news = |keeper: &&mut KeeperLink| !keeper.is_gone && keeper.told != session;
        let Some(keeper) = self.keeper.as_mut().filter(is_news) else { return };
        keeper.told = session;
        if let Err(error) = keeper.pipe.write_all(&session.to_ne_bytes())
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            keeper.is_gone = true;
            log::warn!("the keeper is gone; if this slave is killed, processes of its task may keep running");
        }
    }
}

/// Locks the census. A panic while the lock is held leaves no update half done.
fn census() -> MutexGuard<'static, Census> {
    CENSUS.lock().unwrap_or_else(PoisonError::into_inner)
}
