//! A directory with a disk of its own that can be full.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::process::Process;

/// Mounts it where only this program sees it, with room for 8 MiB, and executes the words after it in its place.
const MOUNT: [&str; 6] =
    ["unshare", "--mount", "--", "sh", "-c", "mount -t tmpfs -o size=8m none \"$0\" && exec \"$@\""];

const CHUNK: usize = 4096;

/// The disk that one program sees in a directory, while it runs.
#[derive(Debug)]
pub struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    /// What goes before a program, so that it sees an empty disk of 8 MiB in this directory; its pid stays its own.
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

    /// Where what is on it can be found from outside.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Leaves no room on it.
    ///
    /// # Errors
    ///
    /// Where writing fails for another reason than that.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filler()).with_context(|| self.filler().display().to_string())?;
        loop {
            match file.write_all(&[0; CHUNK]) {
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                outcome => outcome?,
            }
        }
    }

    /// Takes away what [`SmallDisk::fill`] has written.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn clear(&self) -> Result<()> {
        let filler = self.filler();
        // A process that was forked while it was written may have it open still, so it is emptied first.
        let emptied = File::options().write(true).open(&filler).and_then(|file| file.set_len(0));
        emptied.and_then(|()| fs::remove_file(&filler)).with_context(|| filler.display().to_string())
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }
}
