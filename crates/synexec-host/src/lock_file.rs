//! A lock on a file, by which one process at a time uses a directory.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use thiserror::Error;

use crate::files::{FileError, Obstacle, is_plain};

/// The permission bits of other users. A user who can open a lock file can also lock it.
const OTHERS: u32 = 0o077;

/// Why a lock cannot be taken. Every message names the file.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process holds the lock on this file.
    #[error("{path} is locked by another process", path = .0.display())]
    Locked(PathBuf),
    /// Something is at the path that is no lock file of this user.
    #[error(transparent)]
    Blocked(Obstacle),
    /// A system call failed.
    #[error(transparent)]
    Io(#[from] FileError),
}

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
    /// Another process holds the lock, something other than a lock file of this user is at the path, or a system call
    /// fails.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        loop {
            let lock = match Flock::lock(open_or_create(path)?, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((_, nix::Error::EWOULDBLOCK)) => return Err(LockError::Locked(path.to_owned())),
                Err((_, error)) => return Err(FileError::new(path, error.into()).into()),
            };
            if is_at_path(&lock, path) {
                return Ok(Self { path: path.to_owned(), _lock: lock });
            }
        }
    }

    /// The path of the lock's file.
    pub fn path(&self) -> &Path {
        &self.path
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

fn open_or_create(path: &Path) -> Result<File, LockError> {
    // Without O_NONBLOCK, opening a FIFO waits for a reader.
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(O_NOFOLLOW | O_NONBLOCK);
    let opened = options.open(path);
    // The error of open does not say what is at the path: for a link, ELOOP or, in a sticky directory, EACCES.
    if let Ok(Some(obstacle)) = Obstacle::at(path, None) {
        return Err(LockError::Blocked(obstacle));
    }
    let file = opened.map_err(|why| FileError::new(path, why))?;
    let metadata = file.metadata().map_err(|why| FileError::new(path, why))?;
    if is_plain(&metadata, None) && metadata.mode() & OTHERS == 0 {
        Ok(file)
    } else {
        Err(LockError::Blocked(Obstacle::new(path, "a file that other users may open,", &metadata)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::identity::user_name;

    #[test]
    fn what_is_no_private_file_of_this_user_is_refused_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let [victim, link, second, fifo, open, directory] =
            ["victim", "link", "second", "fifo", "open", "directory"].map(|name| dir.path().join(name));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        fs::hard_link(&victim, &second).unwrap();
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(&open, "").unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
        fs::create_dir(&directory).unwrap();
        for (other, kind) in [
            (&link, "symbolic link"),
            (&second, "2 names"),
            (&fifo, "FIFO"),
            (&open, "other users may open"),
            (&directory, "directory"),
        ] {
            let error = LockFile::take(other).unwrap_err();
            let told = error.to_string();
            assert!(matches!(error, LockError::Blocked(_)) && told.contains(kind), "{told}");
            assert!(told.contains(&user_name()) && told.contains(&other.display().to_string()), "{told}");
        }
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn a_lock_file_of_another_user_is_refused() {
        let Ok(nobody) = crate::identity::Identity::find("nobody") else { return };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        fs::write(&path, "").unwrap();
        std::os::unix::fs::chown(&path, Some(nobody.uid().as_raw()), None).unwrap();
        let told = LockFile::take(&path).unwrap_err().to_string();
        assert_eq!(told, format!("{} is a file of user nobody", path.display()));
    }

    #[test]
    fn a_lock_is_taken_once_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = LockFile::take(&path).unwrap();
        assert!(matches!(LockFile::take(&path), Err(LockError::Locked(_))));
        drop(held);
        assert!(!path.exists());
        LockFile::take(&path).unwrap();
    }
}
