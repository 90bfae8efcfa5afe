//! The file that a held task will write to. Every task has one of its own, so that what an earlier one has left behind
//! cannot write to it; it takes its name when its task starts.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use synexec_host::files::{self, FileError};
use synexec_host::identity::Identity;

use crate::output::WrittenOutput;

/// What its name begins with until then, before the pid of the slave.
pub const HELD_PREFIX: &str = "synexec_slave_out.";

/// What makes the names of one slave differ.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The output of a task that has not started. If it never does, the file goes.
#[derive(Debug)]
pub struct OutputFile {
    /// Its name until then; none any more once the task has started.
    held: Option<PathBuf>,
    path: PathBuf,
    file: File,
}

impl OutputFile {
    /// A new file, which will be at this path, and belongs to the user that tasks run as.
    ///
    /// # Errors
    /// [`FileError`], also when what is at the path is not to be replaced.
    pub fn create(path: PathBuf, tasks: Option<&Identity>) -> Result<Self, FileError> {
        files::check_own(&path, tasks)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let held = path.with_file_name(format!("{HELD_PREFIX}{}.{number}", std::process::id()));
        let file = files::create_anew(&held, 0o600, tasks)?;
        Ok(Self { held: Some(held), path, file })
    }

    /// The file for the task.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Puts the file in the place of the last task's, for one that starts now.
    ///
    /// # Errors
    /// That of the system calls.
    pub fn begin(mut self) -> io::Result<WrittenOutput> {
        if let Some(held) = &self.held {
            fs::rename(held, &self.path)?;
        }
        self.held = None;
        // Opened anew to be read, by the descriptor, since the name may come to mean another file.
        let file = File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?;
        Ok(WrittenOutput::new(std::mem::take(&mut self.path), file))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            // Where this fails, a file stays.
            let _ = fs::remove_file(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn output_that_nobody_wrote_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("synexec.out");
        drop(OutputFile::create(path.clone(), None).unwrap());
        assert!(names(dir.path()).is_empty());
        OutputFile::create(path.clone(), None).unwrap().begin().unwrap();
        fs::write(&path, "of the last task").unwrap();
        let next = OutputFile::create(path.clone(), None).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "of the last task");
        drop(next);
        OutputFile::create(path.clone(), None).unwrap().begin().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(dir.path()).len()), ("", 1));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn who_still_has_the_last_tasks_file_does_not_write_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("synexec.out");
        let first = OutputFile::create(path.clone(), None).unwrap();
        let mut left_behind = first.file().unwrap();
        let first = first.begin().unwrap();
        let next = OutputFile::create(path.clone(), None).unwrap();
        let mut task = next.file().unwrap();
        let next = next.begin().unwrap();
        left_behind.write_all(b"late").unwrap();
        task.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!((first.length().unwrap(), next.length().unwrap()), (4, 3));
    }

    #[test]
    fn what_is_roots_is_not_given_away_to_the_user_of_the_tasks() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        fs::write(&path, "secret").unwrap();
        let secret = File::open(&path).unwrap();
        let owner = secret.metadata().unwrap().uid();
        OutputFile::create(path.clone(), Some(&nobody)).unwrap().begin().unwrap();
        assert_eq!(secret.metadata().unwrap().uid(), owner);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(fs::metadata(&path).unwrap().uid(), nobody.uid().as_raw());
    }
}
