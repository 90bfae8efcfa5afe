//! Key files. A key file holds the secret that master and slaves share, and only its owner may read it.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;
use synexec_proto::secure::{Key, KeyError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files::open_to_read;
use crate::{core_dump, random};

/// Most bytes of a key file.
const FILE_MAX: usize = 4096;

/// Bytes of a new secret. The file holds each byte as two hexadecimal digits.
const SECRET_LEN: usize = 32;

/// The permission bits of users other than the owner.
const OTHERS: u32 = 0o077;

/// The permission bits that nobody may have on a credential of a systemd service. The user of the service reads the
/// file by an access control list, and the mode shows the mask of the list in place of the group's bits.
const OTHERS_OF_CREDENTIAL: u32 = 0o037;

/// The environment variable that names the directory of a service's credentials, systemd.exec(5).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Why a key file cannot be read or written.
#[derive(Debug, Error)]
#[error("key file {path}: {why}", path = .path.display())]
pub struct KeyFileError {
    path: PathBuf,
    why: Flaw,
}

#[derive(Debug, Error)]
enum Flaw {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("this is not a regular file")]
    NotRegular,
    #[error("the file belongs to another user; it must belong to this user or to root")]
    NotOurs,
    #[error(
        "other users may read or write the file; run `chmod 600` on it, and make a new key if somebody may have read it"
    )]
    Open,
    #[error("the file has more than {FILE_MAX} bytes; a key has at most {FILE_MAX}")]
    TooLong,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the file exists already, and is not overwritten")]
    Exists,
}

/// Reads a key from a file. Core dumps of this process contain no memory from then on.
///
/// # Errors
/// [`KeyFileError`] when the file cannot be read, is accessible to other users, or holds no key.
pub fn read(path: &Path) -> Result<Key, KeyFileError> {
    core_dump::exclude_memory();
    try_read(path).map_err(|why| KeyFileError { path: path.to_owned(), why })
}

fn try_read(path: &Path) -> Result<Key, Flaw> {
    let file = open_to_read(path)?;
    let credentials = std::env::var_os(CREDENTIALS).map(PathBuf::from);
    check(&file, credentials.is_some_and(|directory| path.parent() == Some(&directory)))?;
    let mut secret = Zeroizing::new([0; FILE_MAX + 1]);
    let length = read_all(&file, &mut *secret)?;
    let secret = secret.get(..length).filter(|secret| secret.len() <= FILE_MAX).ok_or(Flaw::TooLong)?;
    Ok(Key::from_secret(secret)?)
}

fn check(file: &File, is_credential: bool) -> Result<(), Flaw> {
    let metadata = file.metadata()?;
    let owner = metadata.uid();
    let others = if is_credential && owner == 0 && metadata.gid() == 0 { OTHERS_OF_CREDENTIAL } else { OTHERS };
    if !metadata.is_file() {
        Err(Flaw::NotRegular)
    } else if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        Err(Flaw::NotOurs)
    } else if metadata.mode() & others != 0 {
        Err(Flaw::Open)
    } else {
        Ok(())
    }
}

/// Reads into the buffer until it is full or the file ends, and leaves no copy of the secret elsewhere. Returns the
/// number of bytes read.
fn read_all(mut file: &File, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes a new random secret into a new file, which only its owner may read.
///
/// # Errors
/// [`KeyFileError`] when the path exists already, or the file cannot be written. A file that cannot be written is
/// removed.
pub fn create(path: &Path) -> Result<(), KeyFileError> {
    core_dump::exclude_memory();
    try_create(path).map_err(|why| KeyFileError { path: path.to_owned(), why })
}

fn try_create(path: &Path) -> Result<(), Flaw> {
    let secret = Zeroizing::new(random::bytes::<SECRET_LEN>()?);
    let mut line = Zeroizing::new(String::with_capacity(SECRET_LEN * 2 + 1));
    for byte in secret.iter() {
        // Writing to a string cannot fail.
        let _ = write!(line, "{byte:02x}");
    }
    line.push('\n');
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).custom_flags(O_NOFOLLOW).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Flaw::Exists,
        _ => Flaw::Io(error),
    })?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(path);
        Flaw::Io(error)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    fn flaw(path: &Path) -> String {
        read(path).unwrap_err().to_string()
    }

    #[test]
    fn a_new_key_is_random_private_and_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        create(&one).unwrap();
        create(&other).unwrap();
        let text = fs::read_to_string(&one).unwrap();
        assert_eq!(text.len(), 65);
        assert!(text.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(text, fs::read_to_string(&other).unwrap());
        assert_eq!(fs::metadata(&one).unwrap().mode() & 0o777, 0o600);
        read(&one).unwrap();
    }

    #[test]
    fn an_existing_file_is_not_overwritten_and_a_link_is_not_followed() {
        let (dir, path) = file(b"precious", 0o600);
        let link = dir.path().join("link");
        symlink(dir.path().join("elsewhere"), &link).unwrap();
        for path in [&path, &link] {
            let error = create(path).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()) && error.contains("exists already"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn a_file_that_others_may_read_or_write_is_refused() {
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o777] {
            assert!(flaw(&file(&[b'a'; 32], mode).1).contains("chmod 600"), "{mode:o}");
        }
        for mode in [0o600, 0o400] {
            read(&file(&[b'a'; 32], mode).1).unwrap();
        }
    }

    #[test]
    fn a_credential_of_root_may_have_the_mask_of_an_access_control_list() {
        for (mode, is_credential, is_taken) in [(0o440, true, true), (0o440, false, false), (0o444, true, false)] {
            let (_dir, path) = file(&[b'a'; 32], mode);
            let Ok(()) = chown(&path, Some(0), Some(0)) else { return };
            assert_eq!(check(&File::open(&path).unwrap(), is_credential).is_ok(), is_taken, "{mode:o}");
            chown(&path, Some(0), Some(12345)).unwrap();
            assert!(check(&File::open(&path).unwrap(), is_credential).is_err(), "{mode:o}");
        }
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let (_dir, path) = file(&[b'a'; 32], 0o600);
        // Only root can give files away.
        if chown(&path, Some(65534), None).is_ok() {
            assert!(flaw(&path).contains("another user"));
        }
    }

    #[test]
    fn a_secret_has_16_bytes_at_least_and_4096_at_most() {
        assert!(flaw(&file(b"fifteen letters\n", 0o600).1).contains("length: 15); it needs at least 16"));
        read(&file(b"sixteen letters.\n", 0o600).1).unwrap();
        read(&file(&[b'a'; 4096], 0o600).1).unwrap();
        assert!(flaw(&file(&[b'a'; 4097], 0o600).1).contains("more than 4096"));
    }

    #[test]
    fn only_a_regular_file_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(flaw(&fifo).contains("not a regular file"));
        assert!(flaw(dir.path()).contains("not a regular file"));
        assert!(flaw(&dir.path().join("missing")).contains("No such file"));
    }
}
