//! The descriptors that this process has open.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::libc;

/// All of them, and that by which they were found, which is closed again.
///
/// # Errors
/// That of the system calls.
pub(crate) fn open() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc/self/fd")?.flatten();
    Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// Has exec close whatever this process was started with, but stdin, stdout and stderr: what somebody's shell had open is
/// not for the tasks, least of all where they run as another user. All that it opens itself is so from the start.
///
/// # Errors
/// That of the system calls.
pub fn keep_from_tasks() -> io::Result<()> {
    for descriptor in open()?.into_iter().filter(|descriptor| *descriptor > libc::STDERR_FILENO) {
        // SAFETY: it sets a flag, if the number is a descriptor at all.
        match Errno::result(unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) }) {
            Ok(_) | Err(Errno::EBADF) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use super::*;

    #[test]
    fn what_was_to_stay_open_at_exec_does_not() {
        // SAFETY: the new descriptor has no other owner.
        let inherited = unsafe { OwnedFd::from_raw_fd(Errno::result(libc::dup(2)).unwrap()) };
        // SAFETY: it only asks.
        let flags = || unsafe { libc::fcntl(inherited.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags(), 0);
        keep_from_tasks().unwrap();
        assert_eq!(flags(), libc::FD_CLOEXEC);
    }
}
