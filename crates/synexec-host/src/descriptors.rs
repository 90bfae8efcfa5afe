//! The file descriptors of this process.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::libc;

/// The numbers of all open descriptors. One of them is the descriptor that listed them, which is closed again.
///
/// # Errors
/// The descriptors cannot be listed, as when `/proc` is not mounted.
pub(crate) fn open() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc/self/fd")?.flatten();
    Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// Marks every open descriptor except stdin, stdout and stderr as close-on-exec. Tasks, which may run as another user,
/// must not inherit descriptors of the shell that started this program. Descriptors that this program opens later are
/// close-on-exec from the start.
///
/// # Errors
/// The descriptors cannot be listed, as when `/proc` is not mounted.
pub fn keep_from_tasks() -> io::Result<()> {
    for descriptor in open()?.into_iter().filter(|descriptor| *descriptor > libc::STDERR_FILENO) {
        // SAFETY: the call sets a flag, and fails if the number is not an open descriptor.
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
    fn an_inherited_descriptor_becomes_close_on_exec() {
        // SAFETY: the new descriptor has no other owner.
        let inherited = unsafe { OwnedFd::from_raw_fd(Errno::result(libc::dup(2)).unwrap()) };
        // SAFETY: the call only reads the flags.
        let flags = || unsafe { libc::fcntl(inherited.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags(), 0);
        keep_from_tasks().unwrap();
        assert_eq!(flags(), libc::FD_CLOEXEC);
    }
}
