//! A network namespace without a name. A file descriptor keeps it alive.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::panic::resume_unwind;
use std::process::{self, Command};
use std::thread;

use anyhow::{Context as _, Error, Result};
use nix::sched::{CloneFlags, setns, unshare};

/// The namespace of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace that lives as long as this value, or a process or socket in it.
#[derive(Debug)]
pub struct Namespace {
    handle: File,
}

impl Namespace {
    /// Makes a namespace on a new thread, because the calling thread moves into the new namespace.
    pub(super) fn new() -> Result<Self> {
        let handle = on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).context("may not make a network namespace")?;
            File::open(OWN).context(OWN)
        })?;
        Ok(Self { handle })
    }

    /// Runs the function on a thread inside the namespace. Sockets made there stay there; children start there.
    ///
    /// # Errors
    ///
    /// The error of the function, or the reason why the thread cannot enter the namespace.
    pub fn enter<T, E>(&self, inside: impl FnOnce() -> Result<T, E> + Send) -> Result<T>
    where
        T: Send,
        E: Into<Error>,
    {
        on_own_thread(|| {
            setns(&self.handle, CloneFlags::CLONE_NEWNET).context("cannot enter the namespace")?;
            inside().map_err(Into::into)
        })
    }

    /// A command that runs the program inside; `nsenter` executes it in its own place, so the pid is the program's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--").arg(program);
        command
    }

    /// Whether a process is in the namespace.
    pub(super) fn holds(&self, pid: &str) -> bool {
        let its_own = fs::metadata(format!("/proc/{pid}/ns/net"));
        let same = |its_own: Metadata, this: Metadata| (its_own.dev(), its_own.ino()) == (this.dev(), this.ino());
        its_own.is_ok_and(|its_own| self.handle.metadata().is_ok_and(|this| same(its_own, this)))
    }

    /// The path at which any process can open the namespace while this value lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.handle.as_raw_fd())
    }
}

fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| resume_unwind(panic))
}
