//! Safe creation and checks of files in directories that other users may write to. Links are never followed, and files
//! of other users are never used.

mod replaceable;

use std::ffi::CString;
use std::fmt::Display;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::libc::{self, AT_FDCWD, EEXIST, EINVAL, O_NOFOLLOW, O_NONBLOCK};
use nix::unistd::{Uid, geteuid};
use thiserror::Error;

use crate::clock::monotonic_now;
use crate::identity::{Identity, name_of};

pub use replaceable::replaceable_in;

/// Most names that [`create_anew`] tries.
const ATTEMPTS: usize = 16;

/// A system call for a file failed.
#[derive(Debug, Error)]
#[error("{path}: {why}", path = .path.display())]
pub struct FileError {
    /// The path of the file.
    pub path: PathBuf,
    /// The error of the system call.
    pub why: io::Error,
}

/// A file that this program must not use, at a path that this program wants to use. Its text names path, kind and owner.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path} is {kind} of {owner}", path = .path.display())]
pub struct Obstacle {
    path: PathBuf,
    kind: String,
    owner: String,
}

impl Obstacle {
    /// The obstacle at this path. There is none if the path is free, or names a regular file with one name that belongs
    /// to this user or to the user that tasks run as.
    ///
    /// # Errors
    /// The path cannot be examined.
    pub fn at(path: &Path, tasks: Option<&Identity>) -> Result<Option<Self>, FileError> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if is_plain(&metadata, tasks) => Ok(None),
            Ok(metadata) => Ok(Some(Self::new(path, kind_of(&metadata), &metadata))),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(FileError::new(path, why)),
        }
    }

    /// An obstacle of this kind, such as "a directory".
    pub(crate) fn new(path: &Path, kind: impl Into<String>, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), kind: kind.into(), owner: name_of(Uid::from_raw(metadata.uid())) }
    }
}

/// What a file is, in words.
fn kind_of(metadata: &Metadata) -> String {
    let kind = metadata.file_type();
    let word = if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else if !kind.is_file() {
        "a FIFO, socket or device"
    } else if metadata.nlink() > 1 {
        return format!("a file with {} names", metadata.nlink());
    } else {
        "a file"
    };
    word.to_owned()
}

impl FileError {
    pub(crate) fn new(path: &Path, why: io::Error) -> Self {
        Self { path: path.to_owned(), why }
    }
}

/// Creates a file with these permission bits, and opens it for appending.
///
/// # Errors
/// The file cannot be created. The kind of the error is `AlreadyExists` when the path exists, even as a dangling link.
fn create_exclusive(path: &Path, mode: u32) -> Result<File, FileError> {
    let opened = OpenOptions::new().append(true).create_new(true).mode(mode).custom_flags(O_NOFOLLOW).open(path);
    opened.map_err(|why| FileError::new(path, why))
}

/// Whether this is a regular file with only one name, of this user or of the user that tasks run as.
pub(crate) fn is_plain(metadata: &Metadata, tasks: Option<&Identity>) -> bool {
    metadata.is_file() && is_ours(metadata, tasks) && metadata.nlink() <= 1
}

/// Creates a file that belongs to the user that tasks run as, and opens it for appending. Returns its path, too. Only
/// this program uses the name, so that an own file there was left by a dead process, and is removed. If another user has
/// put something there, a number that nobody can guess is appended to the name.
///
/// # Errors
/// The file cannot be created or cannot be given to that user.
pub fn create_anew(path: &Path, mode: u32, tasks: Option<&Identity>) -> Result<(PathBuf, File), FileError> {
    if matches!(Obstacle::at(path, tasks), Ok(None)) {
        // If this fails, creating the file fails too, with a better message.
        let _ = fs::remove_file(path);
    }
    let mut created = create_exclusive(path, mode).map(|file| (path.to_owned(), file));
    for _ in 0..ATTEMPTS {
        match created {
            Err(FileError { why, .. }) if why.kind() == io::ErrorKind::AlreadyExists => {
                let name = with_suffix(path, monotonic_now().as_nanos());
                created = create_exclusive(&name, mode).map(|file| (name, file));
            }
            _ => break,
        }
    }
    let (path, file) = created?;
    give(&file, &path, tasks)?;
    Ok((path, file))
}

/// Renames a file. Replaces a file that is no [`Obstacle`], and nothing else: not even a file that another user makes at
/// this moment.
///
/// # Errors
/// The new path names an obstacle, or the file cannot be renamed.
pub fn rename(from: &Path, to: &Path, tasks: Option<&Identity>) -> io::Result<()> {
    match rename_to_free(from, to) {
        Ok(()) => Ok(()),
        // Some file systems cannot rename without replacing, and answer EINVAL.
        Err(why) if matches!(why.raw_os_error(), Some(EEXIST | EINVAL)) => match Obstacle::at(to, tasks) {
            Ok(None) => fs::rename(from, to),
            Ok(Some(obstacle)) => Err(io::Error::other(obstacle)),
            Err(error) => Err(error.why),
        },
        Err(why) => Err(why),
    }
}

/// Renames a file unless the new path exists.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    let [from, to] = [from, to].map(|path| CString::new(path.as_os_str().as_bytes()));
    let (from, to) = (from?, to?);
    // SAFETY: both strings end with a zero byte and live until the call returns. The kernel only reads them.
    let renamed = unsafe {
        libc::syscall(libc::SYS_renameat2, AT_FDCWD, from.as_ptr(), AT_FDCWD, to.as_ptr(), libc::RENAME_NOREPLACE)
    };
    if renamed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The path with a dot and a suffix at its end.
pub fn with_suffix(path: &Path, suffix: impl Display) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    name.into()
}

/// Gives a file to the user that tasks run as, if that is another user.
fn give(file: &File, path: &Path, tasks: Option<&Identity>) -> Result<(), FileError> {
    let Some(tasks) = tasks else { return Ok(()) };
    fchown(file, Some(tasks.uid().as_raw()), Some(tasks.gid().as_raw())).map_err(|why| FileError::new(path, why))
}

/// Whether a file belongs to this user or to the user that tasks run as.
pub fn is_ours(metadata: &Metadata, tasks: Option<&Identity>) -> bool {
    let owner = metadata.uid();
    owner == geteuid().as_raw() || tasks.is_some_and(|tasks| owner == tasks.uid().as_raw())
}

/// Opens a file for reading without waiting. Without `O_NONBLOCK`, opening a FIFO waits for a writer.
///
/// # Errors
/// The file does not exist, or this user may not read it.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        assert!(create_exclusive(&link, 0o600).is_err());
        let (path, _) = create_anew(&link, 0o600, None).unwrap();
        assert!(path.to_str().unwrap().starts_with(&format!("{}.", link.display())), "{path:?}");
        assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    }

    #[test]
    fn an_obstacle_is_told_with_its_kind_and_owner() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("victim"), "precious").unwrap();
        fs::hard_link(at("victim"), at("second")).unwrap();
        symlink(at("victim"), at("link")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (name, kind) in [
            ("second", "a file with 2 names"),
            ("link", "a symbolic link"),
            ("directory", "a directory"),
            ("fifo", "a FIFO, socket or device"),
        ] {
            let told = Obstacle::at(&at(name), None).unwrap().unwrap().to_string();
            let expected = format!("{} is {kind} of user {}", at(name).display(), crate::identity::user_name());
            assert_eq!(told, expected);
        }
        assert_eq!(fs::read_to_string(at("victim")).unwrap(), "precious");
    }

    #[test]
    fn a_free_path_and_an_own_file_are_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        assert_eq!(Obstacle::at(&path, None).unwrap(), None);
        fs::write(&path, "old").unwrap();
        assert_eq!(Obstacle::at(&path, None).unwrap(), None);
        assert!(Obstacle::at(&path.join("in a file"), None).is_err());
    }

    #[test]
    fn a_rename_replaces_nothing_but_own_files() {
        let dir = tempfile::tempdir().unwrap();
        let [from, to, victim] = ["from", "to", "victim"].map(|name| dir.path().join(name));
        for expected in ["first", "second"] {
            fs::write(&from, expected).unwrap();
            rename(&from, &to, None).unwrap();
            assert_eq!((fs::read_to_string(&to).unwrap().as_str(), from.exists()), (expected, false));
        }
        fs::write(&from, "third").unwrap();
        symlink(&to, &victim).unwrap();
        let refused = rename(&from, &victim, None).unwrap_err().to_string();
        assert!(refused.contains("is a symbolic link") && from.exists() && victim.is_symlink(), "{refused}");
        assert_eq!(rename(&victim.join("x"), &to, None).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_file_of_the_tasks_user_is_ours_only_if_that_user_is_named() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let file = create_exclusive(&path, 0o600).unwrap();
        let is_ours = |tasks| Obstacle::at(&path, tasks).unwrap().is_none();
        assert!(is_ours(Some(&nobody)));
        give(&file, &path, Some(&nobody)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().uid(), nobody.uid().as_raw());
        assert!(is_ours(Some(&nobody)) && !is_ours(None));
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(!is_ours(Some(&nobody)));
        assert!(Obstacle::at(&path, None).unwrap().unwrap().to_string().ends_with(" is a file of user 12345"));
    }
}
