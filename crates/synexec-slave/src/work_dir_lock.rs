//! The lock of a work dir, which keeps two slaves apart.
//!
//! The lock is a file in the work dir. Other users can make a file of this name first, for instance in `/tmp`. A slave of
//! root then takes a lock in `/run` instead, where only root can make files. Every slave of root respects both locks, so
//! that two of them never use one work dir. Slaves of other users cannot stop a slave of root; the owners of their files
//! keep them apart.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use synexec_host::files::FileError;
use synexec_host::lock_file::{LockError, LockFile};

/// Name of the lock file in the work dir.
const NAME: &str = "synexec_slave.lock";

/// The directory for root's locks.
const RUN: &str = "/run";

/// The permission bits with which others may make files in a directory.
const WRITABLE: u32 = 0o022;

/// The locks that keep other slaves out of a work dir.
#[derive(Debug)]
#[expect(dead_code, reason = "the locks are held, and not read")]
pub struct WorkDirLock {
    in_dir: Option<LockFile>,
    of_root: Option<LockFile>,
    /// While the directory is open, no other directory gets its number, which is in the name of root's lock.
    dir: File,
}

impl WorkDirLock {
    /// Takes the lock of this directory.
    ///
    /// # Errors
    /// [`LockError`]: another slave holds it, or something is in the way of a slave that is not root.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let dir = File::open(path).map_err(|why| FileError { path: path.to_owned(), why })?;
        let lock_of_root = lock_of_root(&dir, Path::new(RUN));
        Self::take_with(path, dir, lock_of_root)
    }

    /// `lock_of_root` is the path of root's lock, if this slave can have one.
    fn take_with(path: &Path, dir: File, lock_of_root: Option<PathBuf>) -> Result<Self, LockError> {
        let name = path.join(NAME);
        match (LockFile::take(&name), lock_of_root) {
            (Ok(in_dir), lock_of_root) => {
                // A slave that could not take the lock in the work dir holds this one, and its file exists.
                let of_root =
                    lock_of_root.filter(|path| path.exists()).map(|path| LockFile::take(&path)).transpose()?;
                Ok(Self { in_dir: Some(in_dir), of_root, dir })
            }
            (Err(LockError::Blocked(obstacle)), Some(lock_of_root)) => {
                let of_root = LockFile::take(&lock_of_root)?;
                // The obstacle may be gone by now. Another slave may then have taken the lock in the work dir, and may
                // have looked for root's lock too early.
                let in_dir = match LockFile::take(&name) {
                    Err(LockError::Blocked(_)) => None,
                    taken => Some(taken?),
                };
                log::warn!("{obstacle}; the lock of this slave is {}", of_root.path().display());
                Ok(Self { in_dir, of_root: Some(of_root), dir })
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// The path of root's lock for this directory, which is in the directory `run`; none if this process is not root, or
/// others may make files in `run`.
fn lock_of_root(dir: &File, run: &Path) -> Option<PathBuf> {
    fs::metadata(run).ok().filter(|run| run.is_dir() && run.uid() == 0 && run.mode() & WRITABLE == 0)?;
    let dir = dir.metadata().ok()?;
    geteuid().is_root().then(|| run.join(format!("synexec_slave.{}-{}.lock", dir.dev(), dir.ino())))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    fn take(dir: &Path, lock_of_root: Option<&Path>) -> Result<WorkDirLock, LockError> {
        WorkDirLock::take_with(dir, File::open(dir).unwrap(), lock_of_root.map(Path::to_owned))
    }

    /// A work dir, and the path of root's lock in another directory.
    fn dirs() -> (tempfile::TempDir, tempfile::TempDir, PathBuf) {
        let [dir, run] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let lock = run.path().join("lock");
        (dir, run, lock)
    }

    #[test]
    fn something_in_the_way_stops_only_a_slave_that_has_no_other_lock() {
        let (dir, _run, lock) = dirs();
        let obstacle = dir.path().join(NAME);
        fs::create_dir(&obstacle).unwrap();
        assert!(matches!(take(dir.path(), None), Err(LockError::Blocked(_))));
        let held = take(dir.path(), Some(&lock)).unwrap();
        assert!(matches!(take(dir.path(), Some(&lock)), Err(LockError::Locked(_))));
        fs::remove_dir(&obstacle).unwrap();
        assert!(matches!(take(dir.path(), Some(&lock)), Err(LockError::Locked(_))));
        drop(held);
        assert!(!lock.exists());
        take(dir.path(), Some(&lock)).unwrap();
    }

    #[test]
    fn the_lock_in_the_work_dir_is_enough_if_it_can_be_taken() {
        let (dir, _run, lock) = dirs();
        let held = take(dir.path(), Some(&lock)).unwrap();
        assert!(dir.path().join(NAME).exists() && !lock.exists());
        assert!(matches!(take(dir.path(), None), Err(LockError::Locked(_))));
        drop(held);
        assert!(!dir.path().join(NAME).exists());
    }

    #[test]
    fn only_root_has_a_lock_and_only_where_others_make_no_files() {
        let (dir, run, _) = dirs();
        let found = |run: &Path| lock_of_root(&File::open(dir.path()).unwrap(), run);
        let metadata = dir.path().metadata().unwrap();
        let path = run.path().join(format!("synexec_slave.{}-{}.lock", metadata.dev(), metadata.ino()));
        assert_eq!(found(run.path()), geteuid().is_root().then_some(path));
        assert_eq!(found(&run.path().join("missing")), None);
        for writable in [0o720, 0o702, 0o1777] {
            fs::set_permissions(run.path(), Permissions::from_mode(writable)).unwrap();
            assert_eq!(found(run.path()), None);
        }
        fs::set_permissions(run.path(), Permissions::from_mode(0o700)).unwrap();
        // Only root can give the directory to another user.
        if chown(run.path(), Some(12345), None).is_ok() {
            assert_eq!(found(run.path()), None);
        }
    }
}
