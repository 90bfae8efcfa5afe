//! Core dumps without memory, for a process that has a key.
//!
//! The kernel writes no memory into the core dump of a process whose `coredump_filter` is 0, core(5), whether the core
//! dump goes to a file or to a program. Unlike `PR_SET_DUMPABLE`, the filter leaves the process traceable, and the
//! process stays the owner of its files in `/proc`: a slave that is not root can still hold its task by ptrace. Children
//! inherit the filter, and exec keeps it, so the child gets the original filter back just before exec.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::write;

const FILTER: &std::ffi::CStr = c"/proc/self/coredump_filter";

/// The filter that this process was started with, as the kernel takes it; none if this process has not changed it.
static ORIGINAL: OnceLock<String> = OnceLock::new();

/// Keeps the memory of this process, and of its children until exec, out of core dumps. Call this before the process has
/// a key.
pub fn exclude_memory() {
    if ORIGINAL.get().is_none()
        && let Err(error) = try_exclude_memory()
    {
        log::warn!("a core dump of this program may contain the key: {error}");
    }
}

fn try_exclude_memory() -> io::Result<()> {
    let path = "/proc/self/coredump_filter";
    let filter = fs::read_to_string(path)?;
    fs::write(path, "0")?;
    // The kernel prints hexadecimal digits without a prefix, and reads such a number as an octal one.
    let _ = ORIGINAL.set(format!("0x{}", filter.trim_end()));
    Ok(())
}

/// The open filter of a forked child.
#[derive(Debug)]
pub(crate) struct OwnFilter(OwnedFd);

impl OwnFilter {
    /// Opens the filter of this process, a forked child, if its parent has changed the filter. A process that has changed
    /// its user cannot do this any more. Allocates no memory.
    pub(crate) fn open() -> Option<Self> {
        ORIGINAL.get()?;
        open(FILTER, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).ok().map(Self)
    }

    /// Sets the original filter again. Allocates no memory.
    pub(crate) fn restore(&self) -> nix::Result<()> {
        let original = ORIGINAL.get().ok_or(Errno::ENOENT)?;
        write(&self.0, original.as_bytes()).map(drop)
    }
}
