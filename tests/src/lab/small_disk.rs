//! A directory with a small disk of its own, which a test can fill.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::process::Process;

/// A shell command that mounts a disk of 8 MiB where only this program sees it, and then executes its arguments.
const MOUNT: [&str; 6] =
    ["unshare", "--mount", "--", "sh", "-c", "mount -t tmpfs -o size=8m none \"$0\" && exec \"$@\""];

const CHUNK: usize = 4096;

/// The disk that one program sees in a directory, while it runs.
#[derive(Debug)]
pub struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    /// Words before a program that give it an empty disk of 8 MiB in this directory. The pid stays the program's.
    pub fn wrapper(dir: &Path) -> Vec<String> {
        let mut words = MOUNT.map(str::to_owned).to_vec();
        words.push(dir.display().to_string());
        words
    }

    /// The disk that this program sees in the directory.
    pub fn of(program: &Process, dir: &Path) -> Self {
        let inside = dir.strip_prefix("/").unwrap_or(dir);
        Self { dir: PathBuf::from(format!("/proc/{}/root", program.pid())).join(inside) }
    }

    /// The path of the disk's files, as seen from outside.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Fills the disk.
    ///
    /// # Errors
    ///
    /// If writing fails for another reason than the full disk.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filler()).with_context(|| self.filler().display().to_string())?;
        loop {
            match file.write_all(&[0; CHUNK]) {
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                outcome => outcome?,
            }
        }
    }

    /// Removes the file that [`SmallDisk::fill`] has written.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn clear(&self) -> Result<()> {
        let filler = self.filler();
        // A process that was forked during the writing may still have the file open, so the file is emptied first.
        let emptied = File::options().write(true).open(&filler).and_then(|file| file.set_len(0));
        emptied.and_then(|()| fs::remove_file(&filler)).with_context(|| filler.display().to_string())
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }
}
