//! What a script names as its interpreter. exec finds out by itself that it is not there, but not before the start where
//! the task is held before exec.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc::O_NONBLOCK;
use nix::unistd::{AccessFlags, access};

/// As much of a script's first line as the kernel reads.
const LINE_MAX: u64 = 256;

/// Interpreters that the kernel follows, one naming the next.
const DEPTH: usize = 4;

/// Whether the interpreter of a script can be executed. All that is no script passes, and so does what cannot be read.
///
/// # Errors
/// Why it cannot be.
pub(super) fn check(program: &Path) -> io::Result<()> {
    match named_by(program) {
        Some(interpreter) => Ok(access(&interpreter, AccessFlags::X_OK)?),
        None => Ok(()),
    }
}

/// The program, and where it is a script, its interpreter, and so on.
pub(super) fn executed_files(program: &Path) -> impl Iterator<Item = PathBuf> {
    std::iter::successors(Some(program.to_owned()), |file| named_by(file)).take(1 + DEPTH)
}

fn named_by(program: &Path) -> Option<PathBuf> {
    let mut line = Vec::new();
    // Without O_NONBLOCK, a FIFO would keep us waiting for its writer.
    let opened = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(program);
    opened.and_then(|file| file.take(LINE_MAX).read_to_end(&mut line)).ok()?;
    interpreter(&line).map(Path::to_owned)
}

fn interpreter(line: &[u8]) -> Option<&Path> {
    let line = line.strip_prefix(b"#!")?;
    let line = line.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    words.next().map(|word| Path::new(OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_after_the_mark_is_the_interpreter() {
        assert_eq!(interpreter(b"#! /bin/sh -e\necho"), Some(Path::new("/bin/sh")));
        assert_eq!(interpreter(b"#!/no/such"), Some(Path::new("/no/such")));
        assert_eq!(interpreter(b"#!\n/bin/sh"), None);
        assert_eq!(interpreter(b"\x7fELF"), None);
    }

    #[test]
    fn a_fifo_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(executed_files(&fifo).count(), 1);
        check(&fifo).unwrap();
    }

    #[test]
    fn a_missing_interpreter_is_an_error_and_all_else_passes() {
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
