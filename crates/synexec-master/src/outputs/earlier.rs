//! Outputs of earlier runs in the directory of `--output`. They are recognised by their names alone, so that outputs of
//! any version of the program are found, also those of a master that was killed.
//!
//! No link is followed, and everything happens relative to open directories: nobody can make the program remove a file
//! elsewhere by replacing a directory.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::file_names::{is_output, is_round};
use super::path_error::named;

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// The first output of an earlier run, as a path below the directory.
///
/// # Errors
/// The directory, or the directory of a round, cannot be read.
pub fn find(directory: &Path) -> io::Result<Option<PathBuf>> {
    let mut top = Dir::open(directory, DIRECTORY, Mode::empty())?;
    let found = Found::in_directory(&mut top)?;
    if let Some(file) = found.files.first() {
        return Ok(Some(path(file)));
    }
    for round in &found.rounds {
        if let Some(file) = Found::in_directory(&mut open_round(&top, round)?)?.files.first() {
            return Ok(Some(path(round).join(path(file))));
        }
    }
    Ok(None)
}

/// Removes the outputs of earlier runs, and directories of rounds that are empty then.
///
/// # Errors
/// A file or directory cannot be read or removed.
pub fn remove(directory: &Path) -> io::Result<()> {
    let mut top = Dir::open(directory, DIRECTORY, Mode::empty())?;
    let found = Found::in_directory(&mut top)?;
    for file in &found.files {
        remove_one(&top, file, UnlinkatFlags::NoRemoveDir)?;
    }
    for round in &found.rounds {
        let mut opened = open_round(&top, round)?;
        for file in Found::in_directory(&mut opened)?.files {
            remove_one(&opened, &file, UnlinkatFlags::NoRemoveDir)?;
        }
        match unlinkat(&top, round.as_c_str(), UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
            Err(why) => return Err(error(round, why)),
        }
    }
    Ok(())
}

/// What a directory has of earlier runs, in the order of names.
#[derive(Debug, Default)]
struct Found {
    files: Vec<CString>,
    rounds: Vec<CString>,
}

impl Found {
    fn in_directory(directory: &mut Dir) -> io::Result<Self> {
        let entries: Vec<_> = directory.iter().collect::<Result<_, _>>()?;
        let mut found = Self::default();
        for entry in entries {
            let name = entry.file_name();
            let list = match name.to_str() {
                Ok(text) if is_output(text) => &mut found.files,
                Ok(text) if is_round(text) => &mut found.rounds,
                _ => continue,
            };
            let is_round = name.to_str().is_ok_and(is_round);
            let kind = entry.file_type().map_or_else(|| kind_of(directory, name), Ok)?;
            if kind == if is_round { Type::Directory } else { Type::File } {
                list.push(name.to_owned());
            }
        }
        found.files.sort_unstable();
        found.rounds.sort_unstable();
        Ok(found)
    }
}

/// The kind of an entry, for file systems that do not tell it with the name. A link is neither a file nor a directory.
fn kind_of(directory: &Dir, name: &CStr) -> io::Result<Type> {
    let status = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|why| error(name, why))?;
    Ok(match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => Type::File,
        SFlag::S_IFDIR => Type::Directory,
        _ => Type::Symlink,
    })
}

fn open_round(top: &Dir, round: &CStr) -> io::Result<Dir> {
    Dir::openat(top, round, DIRECTORY.union(OFlag::O_NOFOLLOW), Mode::empty()).map_err(|why| error(round, why))
}

fn remove_one(directory: &Dir, name: &CStr, kind: UnlinkatFlags) -> io::Result<()> {
    unlinkat(directory, name, kind).map_err(|why| error(name, why))
}

fn path(name: &CStr) -> PathBuf {
    OsStr::from_bytes(name.to_bytes()).into()
}

/// An error of this entry.
fn error(name: &CStr, why: Errno) -> io::Error {
    named(&path(name), &why.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory with these files. A name that ends with `/` is an empty directory.
    fn directory(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(if file.ends_with('/') { &path } else { path.parent().unwrap() }).unwrap();
            if !file.ends_with('/') {
                fs::write(&path, "content").unwrap();
            }
        }
        directory
    }

    /// All paths below a directory, in order.
    fn left(directory: &Path) -> Vec<String> {
        let mut left = Vec::new();
        for entry in fs::read_dir(directory).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            let name = name.into_string().unwrap();
            if path.is_dir() && !path.is_symlink() {
                left.extend(self::left(&path).into_iter().map(|below| format!("{name}/{below}")));
            }
            left.push(name);
        }
        left.sort();
        left
    }

    #[test]
    fn outputs_are_found_and_removed_and_nothing_else_is() {
        let directory = directory(&[
            "0-web1.out",
            "0-web1.err",
            "10-web2.out.part",
            "round-1/0-web1.out",
            "round-2/1-b.out",
            "round-2/mine.txt",
            "round-3/",
            "notes.out",
            "report.json",
            "0-web1.out.old",
            "round-x/0-a.out",
            "data/0-web1.out",
            "1-dir.out/x",
            "round-1.txt",
        ]);
        assert_eq!(find(directory.path()).unwrap().unwrap(), Path::new("0-web1.err"));
        remove(directory.path()).unwrap();
        let kept = [
            "0-web1.out.old",
            "1-dir.out",
            "1-dir.out/x",
            "data",
            "data/0-web1.out",
            "notes.out",
            "report.json",
            "round-1.txt",
            "round-2",
            "round-2/mine.txt",
            "round-x",
            "round-x/0-a.out",
        ];
        assert_eq!(left(directory.path()), kept);
        assert_eq!(find(directory.path()).unwrap(), None);
    }

    #[test]
    fn an_output_of_a_round_is_found_too() {
        let directory = directory(&["round-1/", "round-2/7-web1.out", "other"]);
        assert_eq!(find(directory.path()).unwrap().unwrap(), Path::new("round-2/7-web1.out"));
    }

    #[test]
    fn other_files_are_no_outputs() {
        let directory = directory(&["report.json", "round-1/mine", "round-2/", "web1.out"]);
        assert_eq!(find(directory.path()).unwrap(), None);
    }

    #[test]
    fn links_are_neither_followed_nor_removed() {
        let elsewhere = directory(&["0-web1.out", "target"]);
        let directory = directory(&["1-web2.out"]);
        symlink(elsewhere.path(), directory.path().join("round-1")).unwrap();
        symlink(elsewhere.path().join("target"), directory.path().join("0-web1.out")).unwrap();
        assert_eq!(find(directory.path()).unwrap().unwrap(), Path::new("1-web2.out"));
        remove(directory.path()).unwrap();
        assert_eq!(left(directory.path()), ["0-web1.out", "round-1"]);
        assert_eq!(left(elsewhere.path()), ["0-web1.out", "target"]);
        assert_eq!(find(directory.path()).unwrap(), None);
    }
}
