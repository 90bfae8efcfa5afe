//! System calls about processes that nix does not have, or not as they are needed.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::libc;
use nix::unistd::Pid;

/// A descriptor of a process, which is ready to read when the process has ended.
pub(super) fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: two integers go in and one comes out; no memory is shared.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    match i32::try_from(descriptor) {
        // SAFETY: the kernel has just made it, and it is ours alone.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What a child that is waited for has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It has ended, and is reaped.
    Ended(ExitStatus),
    /// It is traced and has stopped: by a signal, or for an event, which is zero otherwise.
    Stopped { signal: i32, event: i32 },
}

/// Waits for the next change of a child. nix has no name for real-time signals, and loses what it is told of them.
pub(super) fn wait(pid: Pid) -> io::Result<Change> {
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one integer to where the pointer points.
        if unsafe { libc::waitpid(pid.as_raw(), &raw mut status, libc::__WALL) } >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    if libc::WIFSTOPPED(status) {
        return Ok(Change::Stopped { signal: libc::WSTOPSIG(status), event: status >> 16 });
    }
    Ok(Change::Ended(ExitStatus::from_raw(status)))
}

/// Has a traced child go on, with this signal or none (0).
pub(super) fn go_on(pid: Pid, signal: i32) -> io::Result<()> {
    let (no_address, signal) = (std::ptr::null_mut::<libc::c_void>(), libc::c_long::from(signal));
    // SAFETY: this request takes a process and a number, and reads or writes no memory.
    match unsafe { libc::ptrace(libc::PTRACE_CONT, pid.as_raw(), no_address, signal) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
