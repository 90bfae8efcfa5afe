//! System calls about processes that nix lacks, or that nix wraps in an unsuitable way.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use synexec_proto::message::Usage;

/// Opens a descriptor of a process. The descriptor becomes readable when the process ends.
pub(super) fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: two integers go in and one comes out; no memory is shared.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    match i32::try_from(descriptor) {
        // SAFETY: the kernel has just made this descriptor, and nothing else owns the descriptor.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends a signal to the process of a descriptor.
pub(super) fn pidfd_send_signal(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: integers and a null pointer go in; no memory is shared.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal as i32, no_info, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The state of this process's children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Children {
    /// This process has no children.
    None,
    /// All children are alive.
    Living,
    /// This child is dead and has not been reaped.
    Dead(Pid),
}

/// Looks for children, first for a dead child. The wrapper in nix fails for a child that a real-time signal has killed.
pub(super) fn poll_children() -> io::Result<Children> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: the pointer points to memory for the one structure that the kernel writes.
    if unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), flags) } < 0 {
        let error = io::Error::last_os_error();
        let has_no_children = error.raw_os_error() == Some(libc::ECHILD);
        return if has_no_children { Ok(Children::None) } else { Err(error) };
    }
    // SAFETY: all zero bytes are a valid structure. Its process id 0 means that no child is dead.
    let pid = unsafe { info.assume_init().si_pid() };
    Ok(if pid == 0 { Children::Living } else { Children::Dead(Pid::from_raw(pid)) })
}

/// Reaps a dead child.
pub(super) fn reap(pid: Pid) -> io::Result<()> {
    // SAFETY: the pointer for the status is null, and the kernel then writes no status.
    match unsafe { libc::waitpid(pid.as_raw(), std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A change of state of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The child has ended, and is reaped.
    Ended { status: ExitStatus, usage: Usage },
    /// The traced child has stopped, because of a signal or of a ptrace event. Without an event, `event` is zero.
    Stopped { signal: i32, event: i32 },
}

/// Waits for the next change of a child. The wrapper in nix cannot represent real-time signals.
pub(super) fn wait(pid: Pid) -> io::Result<Change> {
    let mut status = 0;
    let mut used = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: the pointers point to memory for the one integer and the one structure that the kernel writes.
        if unsafe { libc::wait4(pid.as_raw(), &raw mut status, libc::__WALL, used.as_mut_ptr()) } >= 0 {
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
    // SAFETY: all fields are integers, and zero is a valid integer.
    let usage = usage_of(&unsafe { used.assume_init() });
    Ok(Change::Ended { status: ExitStatus::from_raw(status), usage })
}

/// Converts a `struct rusage`, getrusage(2). Linux gives memory in kilobytes, and no negative numbers.
fn usage_of(used: &libc::rusage) -> Usage {
    let number = |number: libc::c_long| u64::try_from(number).unwrap_or(0);
    let time = |time: libc::timeval| {
        Duration::from_secs(number(time.tv_sec)).saturating_add(Duration::from_micros(number(time.tv_usec)))
    };
    Usage {
        cpu_user: time(used.ru_utime),
        cpu_system: time(used.ru_stime),
        peak_memory: number(used.ru_maxrss).saturating_mul(1024),
        voluntary_switches: number(used.ru_nvcsw),
        involuntary_switches: number(used.ru_nivcsw),
    }
}

/// Continues a stopped traced child, and delivers this signal to the child; 0 delivers none.
pub(super) fn continue_traced(pid: Pid, signal: i32) -> io::Result<()> {
    let (no_address, signal) = (std::ptr::null_mut::<libc::c_void>(), libc::c_long::from(signal));
    // SAFETY: this request takes a process and a number, and reads or writes no memory.
    match unsafe { libc::ptrace(libc::PTRACE_CONT, pid.as_raw(), no_address, signal) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
