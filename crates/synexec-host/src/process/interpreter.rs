//! The interpreter that a script names. exec fails if the interpreter is missing, but for a task that is held before
//! exec, that failure comes only at the start.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::files::open_to_read;

/// Bytes that the kernel reads of a script's first line.
const LINE_MAX: u64 = 256;

/// Longest chain of interpreters that the kernel follows, each a script that names the next.
const DEPTH: usize = 4;

/// Checks that the interpreter of a script can be executed. A file that is no script passes, and so does a file that
/// cannot be read.
///
/// # Errors
/// The interpreter does not exist, or this user may not execute it: the error of access(2).
pub(super) fn check(program: &Path) -> io::Result<()> {
    match named_by(program) {
        Some(interpreter) => Ok(access(&interpreter, AccessFlags::X_OK)?),
        None => Ok(()),
    }
}

/// What is wrong with the first line of a script that cannot be executed: a Windows line end, which the kernel takes
/// for a part of the interpreter's name, or a byte order mark, with which the file is no script.
pub fn fault_of_script(program: &Path) -> Option<&'static str> {
    let line = first_line(program)?;
    if line.starts_with(b"\xef\xbb\xbf") {
        Some("the file begins with a byte order mark (BOM); save it as UTF-8 without one")
    } else if line.starts_with(b"#!") && line.ends_with(b"\r") {
        Some("its interpreter line (`#!`) ends with a carriage return (`\\r`, a Windows line end); remove it")
    } else {
        None
    }
}

/// The program; its interpreter if the program is a script; and so on along the chain of interpreters.
pub(super) fn executed_files(program: &Path) -> impl Iterator<Item = PathBuf> {
    std::iter::successors(Some(program.to_owned()), |file| named_by(file)).take(1 + DEPTH)
}

fn named_by(program: &Path) -> Option<PathBuf> {
    interpreter(&first_line(program)?).map(Path::to_owned)
}

/// The first line without its line break, as far as the kernel reads it.
fn first_line(program: &Path) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    open_to_read(program).and_then(|file| file.take(LINE_MAX).read_to_end(&mut line)).ok()?;
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    line.truncate(end);
    Some(line)
}

fn interpreter(line: &[u8]) -> Option<&Path> {
    let line = line.strip_prefix(b"#!")?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    words.next().map(|word| Path::new(OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_after_the_mark_is_the_interpreter() {
        assert_eq!(interpreter(b"#! /bin/sh -e"), Some(Path::new("/bin/sh")));
        assert_eq!(interpreter(b"#!/no/such"), Some(Path::new("/no/such")));
        assert_eq!(interpreter(b"#!"), None);
        assert_eq!(interpreter(b"\x7fELF"), None);
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(executed_files(&fifo).count(), 1);
        check(&fifo).unwrap();
    }

    #[test]
    fn the_fault_of_a_first_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        for (content, fault) in [
            ("#!/bin/sh\r\necho\r\n", Some("carriage return")),
            ("\u{feff}#!/bin/sh\n", Some("byte order mark")),
            ("#!/bin/sh\n\r\n", None),
            ("\r\n", None),
        ] {
            std::fs::write(&program, content).unwrap();
            let found = fault_of_script(&program);
            assert_eq!(found.is_some(), fault.is_some(), "{content:?}");
            assert!(found.unwrap_or_default().contains(fault.unwrap_or_default()), "{found:?}");
        }
        assert_eq!(fault_of_script(&dir.path().join("nothing")), None);
    }

    #[test]
    fn a_missing_interpreter_is_an_error_and_everything_else_passes() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        for (content, found) in [("#!/bin/sh\n", true), ("#!/no/such/interpreter\n", false), ("data", true)] {
            std::fs::write(&program, content).unwrap();
            assert_eq!(check(&program).is_ok(), found, "{content}");
        }
        check(Path::new("/no/such/program")).unwrap();
        assert_eq!(executed_files(Path::new("/bin/true")).count(), 1);
        std::fs::write(&program, format!("#!{}\n", program.display())).unwrap();
        assert_eq!(executed_files(&program).count(), 1 + DEPTH, "no more than the kernel follows");
    }
}
