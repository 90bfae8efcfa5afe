//! Files in directories that others may write to: never through a link, never somebody else's.

use std::ffi::{CStr, CString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::ptr;

use nix::fcntl::{Flock, FlockArg};
use nix::libc::{self, O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::geteuid;
use thiserror::Error;

use crate::identity::Identity;

/// Where the kernel keeps an access control list.
const ACL: &CStr = c"system.posix_acl_access";

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

/// Whether a file may be replaced: none is there, or a plain file of this user's own, or of the tasks'. What comes there
/// after that is replaced like it, and never written to.
///
/// # Errors
/// [`FileError`].
pub fn check_own(path: &Path, tasks: Option<&Identity>) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if is_plain(&metadata, tasks) => Ok(()),
        Ok(_) => Err(FileError::NotOurs(path.to_owned())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(io_error(path, why)),
    }
}

/// A file with one name that is ours.
fn is_plain(metadata: &Metadata, tasks: Option<&Identity>) -> bool {
    metadata.is_file() && is_ours(metadata, tasks) && metadata.nlink() <= 1
}

/// A new file to append to, of a name that only this program uses, for the user that tasks run as. What a dead process has
/// left there goes.
///
/// # Errors
/// [`FileError`].
pub fn create_anew(path: &Path, mode: u32, tasks: Option<&Identity>) -> Result<File, FileError> {
    // Where this fails, creating the file says it better.
    let _ = fs::remove_file(path);
    let file = create_exclusive(path, mode)?;
    give(&file, path, tasks)?;
    Ok(file)
}

/// Gives a file to the user that tasks run as, where that is another.
fn give(file: &File, path: &Path, tasks: Option<&Identity>) -> Result<(), FileError> {
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
        let (child, within) = (fs::metadata(child)?, fs::metadata(parent)?);
        if !user.uid().is_root() && may_replace(&child, &within, has_acl(parent), user) {
            return Ok(Some(parent));
        }
    }
    Ok(None)
}

/// With an access control list the bits of the group are a bound for all that are in the list, acl(5).
fn may_replace(child: &Metadata, parent: &Metadata, has_acl: bool, user: &Identity) -> bool {
    let owner = user.uid().as_raw();
    let is_member = has_acl || user.groups().iter().any(|group| group.as_raw() == parent.gid());
    let may_write = parent.mode() & 0o002 != 0 || (parent.mode() & 0o020 != 0 && is_member);
    let is_sticky = parent.mode() & 0o1000 != 0;
    parent.uid() == owner || (may_write && (!is_sticky || child.uid() == owner))
}

fn has_acl(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return true };
    // SAFETY: two strings, and no buffer that anything could be written to.
    unsafe { libc::getxattr(path.as_ptr(), ACL.as_ptr(), ptr::null_mut(), 0) > 0 }
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
    // Without O_NONBLOCK, a FIFO in the file's place would keep us waiting for its reader.
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(O_NOFOLLOW | O_NONBLOCK);
    let file = options.open(path).map_err(|why| match why.raw_os_error() {
        Some(nix::libc::ELOOP | nix::libc::ENXIO) => FileError::NotOurs(path.to_owned()),
        _ => io_error(path, why),
    })?;
    let metadata = file.metadata().map_err(|why| io_error(path, why))?;
    if is_plain(&metadata, None) { Ok(file) } else { Err(FileError::NotOurs(path.to_owned())) }
}

fn io_error(path: &Path, why: io::Error) -> FileError {
    FileError::Io { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_link_is_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        assert!(matches!(check_own(&link, None), Err(FileError::NotOurs(_))));
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
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for other in [&second, &fifo] {
            assert!(matches!(check_own(other, None), Err(FileError::NotOurs(_))));
            assert!(matches!(LockFile::take(other), Err(FileError::NotOurs(_))));
        }
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn nothing_or_an_own_file_may_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        check_own(&path, None).unwrap();
        fs::write(&path, "old").unwrap();
        check_own(&path, None).unwrap();
        assert!(matches!(check_own(&path.join("in a file"), None), Err(FileError::Io { .. })));
    }

    #[test]
    fn what_is_the_tasks_users_is_its_own_with_that_user_only() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let file = create_exclusive(&path, 0o600).unwrap();
        check_own(&path, Some(&nobody)).unwrap();
        give(&file, &path, Some(&nobody)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().uid(), nobody.uid().as_raw());
        check_own(&path, Some(&nobody)).unwrap();
        assert!(matches!(check_own(&path, None), Err(FileError::NotOurs(_))));
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(matches!(check_own(&path, Some(&nobody)), Err(FileError::NotOurs(_))));
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
    fn a_list_may_have_the_user_write_too() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("dir");
        fs::create_dir(&dir).unwrap();
        assert_eq!(replaceable_in(&dir, &nobody).unwrap(), None);
        let entry =
            |tag: u16, may: u16, id: u32| [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat();
        // For the owner, the user, the group, the mask, and others, after a version: linux/posix_acl_xattr.h.
        let list = [
            2_u32.to_le_bytes().to_vec(),
            entry(1, 7, u32::MAX),
            entry(2, 7, nobody.uid().as_raw()),
            entry(4, 5, u32::MAX),
            entry(16, 7, u32::MAX),
            entry(32, 5, u32::MAX),
        ]
        .concat();
        let path = CString::new(top.path().as_os_str().as_bytes()).unwrap();
        // SAFETY: two strings, and a buffer with its length.
        let set = unsafe { libc::setxattr(path.as_ptr(), ACL.as_ptr(), list.as_ptr().cast(), list.len(), 0) };
        match nix::errno::Errno::result(set) {
            Ok(_) => assert_eq!(replaceable_in(&dir, &nobody).unwrap(), Some(top.path())),
            Err(why) => assert_eq!(why, nix::errno::Errno::EOPNOTSUPP, "only where the filesystem has no lists"),
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
