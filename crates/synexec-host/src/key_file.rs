//! Key files: the secret that master and slaves share, for its owner only to read.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use synexec_proto::secure::{Key, KeyError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::random;

/// Most bytes of a key file.
const FILE_MAX: usize = 4096;

/// Bytes of a new secret, of which each is two letters in the file.
const SECRET_LEN: usize = 32;

/// What others than the owner may do with a file.
const OTHERS: u32 = 0o077;

/// The same of a credential of a systemd service: its user reads it by an access control list, of which the mask stands
/// where the rights of the group do.
const OTHERS_OF_CREDENTIAL: u32 = 0o037;

/// Where systemd puts them, systemd.exec(5).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Why a key file is of no use.
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
    #[error("it is no regular file")]
    NotRegular,
    #[error("it belongs to another user; it must belong to this one or to root")]
    NotOurs,
    #[error("others may read or write it; run `chmod 600` on it, and make a new key if they may have")]
    Open,
    #[error("it has more than {FILE_MAX} bytes, which is no key")]
    TooLong,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("it is there already, and is not written over")]
    Exists,
}

/// Reads a key.
///
/// # Errors
/// [`KeyFileError`] when the file cannot be read, is not for its owner only, or holds no key.
pub fn read(path: &Path) -> Result<Key, KeyFileError> {
    try_read(path).map_err(|why| KeyFileError { path: path.to_owned(), why })
}

fn try_read(path: &Path) -> Result<Key, Flaw> {
    // Without O_NONBLOCK, a FIFO in the file's place would keep us waiting for its writer.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
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

/// Fills the buffer as far as there is something, and leaves no copy elsewhere.
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

/// Writes a new random secret into a new file, for its owner only.
///
/// # Errors
/// [`KeyFileError`] when there is anything of that name, or the file cannot be written; then there is none.
pub fn create(path: &Path) -> Result<(), KeyFileError> {
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
    fn what_is_there_is_not_written_over_nor_a_link_followed() {
        let (dir, path) = file(b"precious", 0o600);
        let link = dir.path().join("link");
        symlink(dir.path().join("elsewhere"), &link).unwrap();
        for path in [&path, &link] {
            let error = create(path).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()) && error.contains("is there already"), "{error}");
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
    fn a_credential_of_roots_may_have_the_mask_of_an_access_control_list() {
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
        assert!(flaw(&file(b"fifteen letters\n", 0o600).1).contains("15 bytes; at least 16"));
        read(&file(b"sixteen letters.\n", 0o600).1).unwrap();
        read(&file(&[b'a'; 4096], 0o600).1).unwrap();
        assert!(flaw(&file(&[b'a'; 4097], 0o600).1).contains("more than 4096"));
    }

    #[test]
    fn only_a_regular_file_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(flaw(&fifo).contains("no regular file"));
        assert!(flaw(dir.path()).contains("no regular file"));
        assert!(flaw(&dir.path().join("missing")).contains("No such file"));
    }
}
