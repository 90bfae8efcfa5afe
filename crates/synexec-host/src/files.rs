//! Files in directories that others may write to: never through a link, never somebody else's.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::geteuid;
use thiserror::Error;

use crate::identity::Identity;

/// Why a file cannot be used. The messages name it.
#[derive(Debug, Error)]
pub enum FileError {
    /// A system call failed.
    #[error("{path}: {why}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// Something else is in its place.
    #[error("{path} is not a plain file of this user's own; remove it", path = .0.display())]
    NotOurs(PathBuf),
    /// Another process holds its lock.
    #[error("{path} is locked by another process", path = .0.display())]
    Locked(PathBuf),
}

/// A new file to append to, for its owner only.
///
/// # Errors
/// [`FileError`]; `AlreadyExists` when there is anything of that name, a link too.
pub fn create_exclusive(path: &Path, mode: u32) -> Result<File, FileError> {
    let opened = OpenOptions::new().append(true).create_new(true).mode(mode).custom_flags(O_NOFOLLOW).open(path);
    opened.map_err(|why| io_error(path, why))
}

/// A file to append to, for its owner only, and whether it is new. One that is there already is taken when it is a
/// plain file of this user's own; with a user for the tasks, when it is that one's.
///
/// # Errors
/// [`FileError`].
pub fn open_own_or_create(path: &Path, tasks: Option<&Identity>) -> Result<(File, bool), FileError> {
    // What is there is opened without O_CREAT, by which Linux does not open another's file in a directory such as /tmp
    // (fs.protected_regular).
    let (file, is_new) = match open_existing(path, tasks) {
        Err(FileError::Io { why, .. }) if why.kind() == io::ErrorKind::NotFound => {
            (create_exclusive(path, 0o600)?, true)
        }
        Ok(file) if !is_of_tasks(&file, path, tasks)? => {
            // Never given away: who may rename files here can have put any of ours in its place.
            fs::remove_file(path).map_err(|why| io_error(path, why))?;
            (create_exclusive(path, 0o600)?, true)
        }
        existing => (existing?, false),
    };
    file.set_permissions(Permissions::from_mode(0o600)).map_err(|why| io_error(path, why))?;
    give(&file, path, tasks)?;
    Ok((file, is_new))
}

/// Whether a file belongs to the user that tasks run as.
fn is_of_tasks(file: &File, path: &Path, tasks: Option<&Identity>) -> Result<bool, FileError> {
    let Some(tasks) = tasks else { return Ok(true) };
    let metadata = file.metadata().map_err(|why| io_error(path, why))?;
    Ok(metadata.uid() == tasks.uid().as_raw())
}

/// Gives a file to the user that tasks run as, where that is another.
///
/// # Errors
/// [`FileError::Io`].
pub fn give(file: &File, path: &Path, tasks: Option<&Identity>) -> Result<(), FileError> {
    let Some(tasks) = tasks else { return Ok(()) };
    fchown(file, Some(tasks.uid().as_raw()), Some(tasks.gid().as_raw())).map_err(|why| io_error(path, why))
}

/// Whether a file is this user's, or that of the tasks.
pub fn is_ours(metadata: &Metadata, tasks: Option<&Identity>) -> bool {
    let owner = metadata.uid();
    owner == geteuid().as_raw() || tasks.is_some_and(|tasks| owner == tasks.uid().as_raw())
}

/// Where a user could put something else in the place of this directory, or of one that it is in: who uses such a path
/// with more rights would write wherever that user likes.
///
/// # Errors
/// That of the system call.
pub fn replaceable_in<'a>(path: &'a Path, user: &Identity) -> io::Result<Option<&'a Path>> {
    for (child, parent) in path.ancestors().zip(path.ancestors().skip(1)) {
        if !user.uid().is_root() && may_replace(&fs::metadata(child)?, &fs::metadata(parent)?, user) {
            return Ok(Some(parent));
        }
    }
    Ok(None)
}

fn may_replace(child: &Metadata, parent: &Metadata, user: &Identity) -> bool {
    let owner = user.uid().as_raw();
    let is_member = user.groups().iter().any(|group| group.as_raw() == parent.gid());
    let may_write = parent.mode() & 0o002 != 0 || (parent.mode() & 0o020 != 0 && is_member);
    let is_sticky = parent.mode() & 0o1000 != 0;
    parent.uid() == owner || (may_write && (!is_sticky || child.uid() == owner))
}

/// A lock on a file, which is there only as long as the lock is held.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    _lock: Flock<File>,
}

impl LockFile {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`FileError::Locked`] when another process holds it.
    pub fn take(path: &Path) -> Result<Self, FileError> {
        loop {
            let lock = match Flock::lock(open_own(path)?, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((_, nix::Error::EWOULDBLOCK)) => return Err(FileError::Locked(path.to_owned())),
                Err((_, error)) => return Err(io_error(path, error.into())),
            };
            if is_still_there(&lock, path) {
                return Ok(Self { path: path.to_owned(), _lock: lock });
            }
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Removed before the lock is let go; who opened it in between sees that it is gone, and makes a new one.
        let _ = fs::remove_file(&self.path);
    }
}

/// Its holder may have removed the file between our opening and locking it.
fn is_still_there(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

fn open_own(path: &Path) -> Result<File, FileError> {
    open_plain(path, OpenOptions::new().append(true).create(true).mode(0o600), None)
}

fn open_existing(path: &Path, tasks: Option<&Identity>) -> Result<File, FileError> {
    open_plain(path, OpenOptions::new().append(true), tasks)
}

fn open_plain(path: &Path, options: &mut OpenOptions, tasks: Option<&Identity>) -> Result<File, FileError> {
    // Without O_NONBLOCK, a FIFO in the file's place would keep us waiting for its reader.
    let file = options.custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path).map_err(|why| match why.raw_os_error() {
        Some(nix::libc::ELOOP | nix::libc::ENXIO) => FileError::NotOurs(path.to_owned()),
        _ => io_error(path, why),
    })?;
    let metadata = file.metadata().map_err(|why| io_error(path, why))?;
    let own = metadata.is_file() && is_ours(&metadata, tasks) && metadata.nlink() <= 1;
    if own { Ok(file) } else { Err(FileError::NotOurs(path.to_owned())) }
}

fn io_error(path: &Path, why: io::Error) -> FileError {
    FileError::Io { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        assert!(matches!(open_own_or_create(&link, None), Err(FileError::NotOurs(_))));
        assert!(matches!(create_exclusive(&link, 0o600), Err(FileError::Io { .. })));
        assert!(matches!(LockFile::take(&link), Err(FileError::NotOurs(_))));
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn neither_a_second_name_nor_a_fifo_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, second, fifo) = (dir.path().join("victim"), dir.path().join("second"), dir.path().join("fifo"));
        fs::write(&victim, "precious").unwrap();
        fs::hard_link(&victim, &second).unwrap();
        assert!(matches!(open_own_or_create(&second, None), Err(FileError::NotOurs(_))));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(open_own_or_create(&fifo, None), Err(FileError::NotOurs(_))));
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn a_file_is_private_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
        assert!(open_own_or_create(&path, None).unwrap().1);
        assert_eq!(mode(), 0o600);
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let (mut file, is_new) = open_own_or_create(&path, None).unwrap();
        file.write_all(b"er").unwrap();
        assert!(!is_new && fs::read_to_string(&path).unwrap() == "older" && mode() == 0o600);
    }

    #[test]
    fn a_file_is_given_to_the_user_of_the_tasks_and_taken_again() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
        let path = dir.path().join("out");
        for is_new in [true, false] {
            assert_eq!(open_own_or_create(&path, Some(&nobody)).unwrap().1, is_new);
            assert_eq!(fs::metadata(&path).unwrap().uid(), nobody.uid().as_raw());
        }
        assert!(matches!(open_own_or_create(&path, None), Err(FileError::NotOurs(_))));
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(matches!(open_own_or_create(&path, Some(&nobody)), Err(FileError::NotOurs(_))));
    }

    #[test]
    fn what_is_roots_is_not_given_away_to_the_user_of_the_tasks() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        fs::write(&path, "secret").unwrap();
        let secret = File::open(&path).unwrap();
        assert!(open_own_or_create(&path, Some(&nobody)).unwrap().1);
        assert_eq!(secret.metadata().unwrap().uid(), geteuid().as_raw());
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(fs::metadata(&path).unwrap().uid(), nobody.uid().as_raw());
    }

    #[test]
    fn a_directory_is_replaceable_in_what_the_user_may_write_to() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let top = tempfile::tempdir().unwrap();
        let (above, dir) = (top.path().join("above"), top.path().join("above/dir"));
        fs::create_dir_all(&dir).unwrap();
        let (nobodys, roots) = (Some(nobody.uid().as_raw()), Some(0));
        for (owner, mode, owner_of_dir, is_replaceable) in [
            (roots, 0o755, nobodys, false),
            (roots, 0o1777, roots, false),
            (roots, 0o1777, nobodys, true),
            (roots, 0o777, roots, true),
            (nobodys, 0o700, roots, true),
        ] {
            std::os::unix::fs::chown(&above, owner, None).unwrap();
            std::os::unix::fs::chown(&dir, owner_of_dir, None).unwrap();
            fs::set_permissions(&above, Permissions::from_mode(mode)).unwrap();
            let found = replaceable_in(&dir, &nobody).unwrap();
            assert_eq!(found, is_replaceable.then_some(&*above), "{owner:?} {mode:o} {owner_of_dir:?}");
        }
    }

    #[test]
    fn a_lock_is_taken_once_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = LockFile::take(&path).unwrap();
        assert!(matches!(LockFile::take(&path), Err(FileError::Locked(_))));
        drop(held);
        assert!(!path.exists());
        LockFile::take(&path).unwrap();
    }
}
