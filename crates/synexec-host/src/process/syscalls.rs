//! System calls about processes that nix does not have, or not as they are needed.

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

/// Sends a process a signal by its descriptor.
pub(super) fn pidfd_send_signal(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: integers and a null pointer go in; no memory is shared.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal as i32, no_info, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The children of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Children {
    None,
    /// None of them is dead.
    Living,
    /// This one is dead, and has not been reaped.
    Dead(Pid),
}

/// Looks whether there are children, and a dead one among them. nix fails for one that a real-time signal has killed.
pub(super) fn look_at_children() -> io::Result<Children> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: the kernel writes one structure to where the pointer points.
    if unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), how) } < 0 {
        let error = io::Error::last_os_error();
        let none_is_there = error.raw_os_error() == Some(libc::ECHILD);
        return if none_is_there { Ok(Children::None) } else { Err(error) };
    }
    // SAFETY: all zero is a value of it, and the process id of that is 0: then nobody is dead.
    let pid = unsafe { info.assume_init().si_pid() };
    Ok(if pid == 0 { Children::Living } else { Children::Dead(Pid::from_raw(pid)) })
}

/// Lets the zombie of a child go.
pub(super) fn reap(pid: Pid) -> io::Result<()> {
    // SAFETY: with no room for the status, none is written.
    match unsafe { libc::waitpid(pid.as_raw(), std::ptr::null_mut(), libc::WNOHANG | libc::__WALL) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// What a child that is waited for has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It has ended, and is reaped.
    Ended { status: ExitStatus, usage: Usage },
    /// It is traced and has stopped: by a signal, or for an event, which is zero otherwise.
    Stopped { signal: i32, event: i32 },
}

/// Waits for the next change of a child. nix has no name for real-time signals, and loses what it is told of them.
pub(super) fn wait(pid: Pid) -> io::Result<Change> {
    let mut status = 0;
    let mut used = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: the kernel writes one integer and one structure to where the pointers point.
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
    // SAFETY: it holds nothing but integers, for which zero is a value too.
    let usage = usage_of(&unsafe { used.assume_init() });
    Ok(Change::Ended { status: ExitStatus::from_raw(status), usage })
}

/// getrusage(2) on Linux: times of day, kilobytes, and counts, none of which is negative.
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

/// Has a traced child go on, with this signal or none (0).
pub(super) fn go_on(pid: Pid, signal: i32) -> io::Result<()> {
    let (no_address, signal) = (std::ptr::null_mut::<libc::c_void>(), libc::c_long::from(signal));
    // SAFETY: this request takes a process and a number, and reads or writes no memory.
    match unsafe { libc::ptrace(libc::PTRACE_CONT, pid.as_raw(), no_address, signal) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
