//! The file descriptors of this process.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::close;

/// The numbers of all open descriptors. One of them is the descriptor that listed them, which is closed again.
///
/// # Errors
/// The descriptors cannot be listed, as when `/proc` is not mounted.
pub(crate) fn open() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc/self/fd")?.flatten();
    Ok(entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// The descriptors above stderr that the program was started with, for instance by a shell that holds a lock. They are
/// close-on-exec: tasks, which may run as another user, must not inherit them. Descriptors that this program opens later
/// are close-on-exec from the start.
#[derive(Debug, Default)]
pub struct Inherited(Vec<i32>);

impl Inherited {
    /// Finds these descriptors. Call this before the program opens a descriptor of its own.
    ///
    /// # Errors
    /// The descriptors cannot be listed, as when `/proc` is not mounted.
    pub fn find() -> io::Result<Self> {
        let mut found = Vec::new();
        for descriptor in open()?.into_iter().filter(|descriptor| *descriptor > libc::STDERR_FILENO) {
            // SAFETY: the call sets a flag, and fails if the number is not an open descriptor.
            match Errno::result(unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) }) {
                Ok(_) => found.push(descriptor),
                // This descriptor was open only while the list was made.
                Err(Errno::EBADF) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Self(found))
    }

    /// Closes these descriptors. No value of this program owns one of them, and their numbers are in use until now.
    pub fn close(self) {
        for descriptor in self.0 {
            // This fails only for a descriptor that is closed already.
            let _ = close(descriptor);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

    use super::*;

    fn is_open(descriptor: i32) -> bool {
        fs::exists(format!("/proc/self/fd/{descriptor}")).unwrap()
    }

    #[test]
    fn an_inherited_descriptor_becomes_close_on_exec_and_can_be_closed() {
        // SAFETY: the new descriptor has no other owner.
        let inherited = unsafe { OwnedFd::from_raw_fd(Errno::result(libc::dup(2)).unwrap()) }.into_raw_fd();
        let own = fs::File::open("/dev/null").unwrap();
        // SAFETY: the call only reads the flags.
        let flags = || unsafe { libc::fcntl(inherited, libc::F_GETFD) };
        assert_eq!(flags(), 0);
        let Inherited(found) = Inherited::find().unwrap();
        assert!(flags() == libc::FD_CLOEXEC && found.contains(&inherited));
        // Other tests of this process have descriptors too, which stay open.
        Inherited(vec![inherited]).close();
        assert!(!is_open(inherited) && is_open(own.as_raw_fd()));
    }
}
