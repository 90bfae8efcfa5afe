//! Safe creation and checks of files in directories that other users may write to. Links are never followed, and files
//! of other users are never used.

use std::ffi::CStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::geteuid;
use thiserror::Error;

use crate::identity::Identity;
use crate::xattr::has_attribute;

/// The extended attribute that holds a file's access control list.
const ACL: &CStr = c"system.posix_acl_access";

/// Why a file cannot be used. Every message names the file.
#[derive(Debug, Error)]
pub enum FileError {
    /// A system call failed.
    #[error("{path}: {why}", path = .path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system call.
        why: io::Error,
    },
    /// The path names something other than a regular file with one name that belongs to this user.
    #[error("{path} is not a regular file of this user; remove it", path = .0.display())]
    NotOurs(PathBuf),
    /// Another process holds the lock on this file.
    #[error("{path} is locked by another process", path = .0.display())]
    Locked(PathBuf),
}

/// Creates a file with these permission bits, and opens it for appending.
///
/// # Errors
/// [`FileError::Io`] when the file cannot be created. Its kind is `AlreadyExists` when the path exists, even as a
/// dangling link.
pub fn create_exclusive(path: &Path, mode: u32) -> Result<File, FileError> {
    let opened = OpenOptions::new().append(true).create_new(true).mode(mode).custom_flags(O_NOFOLLOW).open(path);
    opened.map_err(|why| io_error(path, why))
}

/// Checks that a file may be replaced: the path is free, or names a regular file of this user or of the user that tasks
/// run as. A file that appears there after the check is replaced too, but never written to.
///
/// # Errors
/// [`FileError::NotOurs`] when the path names something else; [`FileError::Io`] when the path cannot be examined.
pub fn check_own(path: &Path, tasks: Option<&Identity>) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if is_plain(&metadata, tasks) => Ok(()),
        Ok(_) => Err(FileError::NotOurs(path.to_owned())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(why) => Err(io_error(path, why)),
    }
}

/// Whether this is a regular file with only one name, of this user or of the user that tasks run as.
pub(crate) fn is_plain(metadata: &Metadata, tasks: Option<&Identity>) -> bool {
    metadata.is_file() && is_ours(metadata, tasks) && metadata.nlink() <= 1
}

/// Creates a file that belongs to the user that tasks run as, and opens it for appending. Only this program uses the
/// name, so that an existing file was left by a dead process, and is removed.
///
/// # Errors
/// [`FileError::Io`] when the file cannot be created or cannot be given to that user.
pub fn create_anew(path: &Path, mode: u32, tasks: Option<&Identity>) -> Result<File, FileError> {
    // If this fails, creating the file fails too, with a better message.
    let _ = fs::remove_file(path);
    let file = create_exclusive(path, mode)?;
    give(&file, path, tasks)?;
    Ok(file)
}

/// Gives a file to the user that tasks run as, if that is another user.
fn give(file: &File, path: &Path, tasks: Option<&Identity>) -> Result<(), FileError> {
    let Some(tasks) = tasks else { return Ok(()) };
    fchown(file, Some(tasks.uid().as_raw()), Some(tasks.gid().as_raw())).map_err(|why| io_error(path, why))
}

/// Whether a file belongs to this user or to the user that tasks run as.
pub fn is_ours(metadata: &Metadata, tasks: Option<&Identity>) -> bool {
    let owner = metadata.uid();
    owner == geteuid().as_raw() || tasks.is_some_and(|tasks| owner == tasks.uid().as_raw())
}

/// The lowest directory above `path` in which `user` could replace the entry that leads to `path`; none if there is no
/// such directory. A process with more rights that wrote below a replaceable path would write wherever that user wants.
///
/// # Errors
/// A directory above `path` cannot be examined.
pub fn replaceable_in<'a>(path: &'a Path, user: &Identity) -> io::Result<Option<&'a Path>> {
    for (child, parent) in path.ancestors().zip(path.ancestors().skip(1)) {
        let (child, within) = (fs::metadata(child)?, fs::metadata(parent)?);
        if !user.uid().is_root() && may_replace(&child, &within, has_attribute(parent, ACL).unwrap_or(true), user) {
            return Ok(Some(parent));
        }
    }
    Ok(None)
}

/// Whether `user` could replace `child` in `parent`. If `parent` has an access control list, its group bits are the
/// most that any entry of the list allows, acl(5); the user may be in the list.
fn may_replace(child: &Metadata, parent: &Metadata, has_acl: bool, user: &Identity) -> bool {
    let owner = user.uid().as_raw();
    let is_member = has_acl || user.groups().iter().any(|group| group.as_raw() == parent.gid());
    let may_write = parent.mode() & 0o002 != 0 || (parent.mode() & 0o020 != 0 && is_member);
    let is_sticky = parent.mode() & 0o1000 != 0;
    parent.uid() == owner || (may_write && (!is_sticky || child.uid() == owner))
}

/// Opens a file for reading without waiting. Without `O_NONBLOCK`, opening a FIFO waits for a writer.
///
/// # Errors
/// The file does not exist, or this user may not read it.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)
}

pub(crate) fn io_error(path: &Path, why: io::Error) -> FileError {
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
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn a_file_with_a_second_name_and_a_fifo_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, second, fifo) = (dir.path().join("victim"), dir.path().join("second"), dir.path().join("fifo"));
        fs::write(&victim, "precious").unwrap();
        fs::hard_link(&victim, &second).unwrap();
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for other in [&second, &fifo] {
            assert!(matches!(check_own(other, None), Err(FileError::NotOurs(_))));
        }
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn a_free_path_and_an_own_file_may_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        check_own(&path, None).unwrap();
        fs::write(&path, "old").unwrap();
        check_own(&path, None).unwrap();
        assert!(matches!(check_own(&path.join("in a file"), None), Err(FileError::Io { .. })));
    }

    #[test]
    fn a_file_of_the_tasks_user_is_ours_only_if_that_user_is_named() {
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
    fn a_directory_is_replaceable_in_a_directory_that_the_user_may_write_to() {
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
    fn an_access_control_list_may_let_the_user_write() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("dir");
        fs::create_dir(&dir).unwrap();
        assert_eq!(replaceable_in(&dir, &nobody).unwrap(), None);
        let entry =
            |tag: u16, may: u16, id: u32| [&tag.to_le_bytes()[..], &may.to_le_bytes(), &id.to_le_bytes()].concat();
        // A version, then entries for owner, user, group, mask and others: linux/posix_acl_xattr.h.
        let list = [
            2_u32.to_le_bytes().to_vec(),
            entry(1, 7, u32::MAX),
            entry(2, 7, nobody.uid().as_raw()),
            entry(4, 5, u32::MAX),
            entry(16, 7, u32::MAX),
            entry(32, 5, u32::MAX),
        ]
        .concat();
        let path = std::ffi::CString::new(top.path().as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: both strings are null-terminated, and the buffer has the length that is given.
        let set = unsafe { nix::libc::setxattr(path.as_ptr(), ACL.as_ptr(), list.as_ptr().cast(), list.len(), 0) };
        match nix::errno::Errno::result(set) {
            Ok(_) => assert_eq!(replaceable_in(&dir, &nobody).unwrap(), Some(top.path())),
            Err(why) => assert_eq!(
                why,
                nix::errno::Errno::EOPNOTSUPP,
                "only a filesystem without access control lists may refuse"
            ),
        }
    }
}
