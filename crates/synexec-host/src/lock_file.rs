//! A lock on a file, by which one process at a time uses a directory.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::libc::{ELOOP, ENXIO, O_NOFOLLOW, O_NONBLOCK};

use crate::files::{FileError, io_error, is_plain};

/// A held lock. Its file exists only while the lock is held.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    _lock: Flock<File>,
}

impl LockFile {
    /// Takes the lock on the file at `path`, which is made if it is missing.
    ///
    /// # Errors
    /// [`FileError::Locked`] when another process holds the lock; [`FileError::NotOurs`] when something other than a
    /// lock file is at the path; [`FileError::Io`] when a system call fails.
    pub fn take(path: &Path) -> Result<Self, FileError> {
        loop {
            let lock = match Flock::lock(open_or_create(path)?, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((_, nix::Error::EWOULDBLOCK)) => return Err(FileError::Locked(path.to_owned())),
                Err((_, error)) => return Err(io_error(path, error.into())),
            };
            if is_at_path(&lock, path) {
                return Ok(Self { path: path.to_owned(), _lock: lock });
            }
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // The file is removed before the lock is released. A process that opened it before sees in `take` that it is
        // gone.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the open file is still the one at `path`. The previous holder may have removed it before we locked it.
fn is_at_path(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(at_path)) => (open.dev(), open.ino()) == (at_path.dev(), at_path.ino()),
        _ => false,
    }
}

fn open_or_create(path: &Path) -> Result<File, FileError> {
    // Without O_NONBLOCK, opening a FIFO waits for a reader.
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(O_NOFOLLOW | O_NONBLOCK);
    let file = options.open(path).map_err(|why| match why.raw_os_error() {
        Some(ELOOP | ENXIO) => FileError::NotOurs(path.to_owned()),
        _ => io_error(path, why),
    })?;
    let metadata = file.metadata().map_err(|why| io_error(path, why))?;
    if is_plain(&metadata, None) { Ok(file) } else { Err(FileError::NotOurs(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_a_second_name_and_a_fifo_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let [victim, link, second, fifo] = ["victim", "link", "second", "fifo"].map(|name| dir.path().join(name));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        fs::hard_link(&victim, &second).unwrap();
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for other in [&link, &second, &fifo] {
            assert!(matches!(LockFile::take(other), Err(FileError::NotOurs(_))));
        }
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn a_lock_is_taken_once_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = LockFile::take(&path).unwrap();
        assert!(matches!(LockFile::take(&path), Err(FileError::Locked(_))));
        drop(held);
        assert!(!path.exists());
        LockFile::take(&path).unwrap();
    }
}
