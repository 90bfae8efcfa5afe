//! The work dir of a slave, and the names of the files in it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::getpid;
use synexec_host::files::{self, FileError};
use synexec_host::identity::Identity;
use synexec_host::lock_file::LockError;
use synexec_proto::message::TaskStream;
use thiserror::Error;

use crate::output_file::OutputFile;
use crate::stale_files::{PAYLOAD_PREFIX, remove_payloads, remove_stale_files};
use crate::streams::Streams;
use crate::work_dir_lock::WorkDirLock;

/// Why a slave cannot use a directory as its work dir.
#[derive(Debug, Error)]
pub enum WorkDirError {
    /// The directory does not exist or cannot be accessed.
    #[error("cannot use the work dir {path}: {why}; choose another with --work-dir", path = .path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Error of the system call.
        why: io::Error,
    },
    /// Another slave uses the directory.
    #[error("another slave uses the work dir {path}; give this one its own with --work-dir", path = .0.display())]
    InUse(PathBuf),
    /// The user of the tasks could replace the directory, and the slave would write to the replacement.
    #[error(
        "the work dir {path} is in {above}, where user {user} could replace it; choose with --work-dir a directory \
         whose parent directories all belong to root",
        path = .path.display(), above = .above.display()
    )]
    Replaceable {
        /// The directory.
        path: PathBuf,
        /// The directory in which it can be replaced.
        above: PathBuf,
        /// The name of the user who could do so.
        user: String,
    },
    /// The lock of the directory cannot be taken.
    #[error("cannot lock the work dir: {0}; {advice}choose another work dir with --work-dir", advice = advice(.0))]
    Lock(LockError),
}

/// What the user can do about a lock that cannot be taken, if there is something.
fn advice(error: &LockError) -> &'static str {
    match error {
        LockError::Blocked(_) => "remove it if no slave of that user runs here, or ",
        LockError::Locked(_) | LockError::Io(_) => "",
    }
}

/// The directory to which one slave writes.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    /// The user that tasks run as and that payload and output belong to, if not the slave's own.
    tasks: Option<Identity>,
    _lock: WorkDirLock,
}

impl WorkDir {
    /// Locks a directory for this slave alone.
    ///
    /// # Errors
    /// The directory does not exist or cannot be accessed, another slave uses it, the user of the tasks could replace it,
    /// or it cannot be locked.
    pub fn open(path: &Path, tasks: Option<Identity>) -> Result<Self, WorkDirError> {
        let unusable = |why| WorkDirError::Unusable { path: path.to_owned(), why };
        let path = path.canonicalize().map_err(unusable)?;
        if let Some(user) = &tasks
            && let Some(above) = files::replaceable_in(&path, user).map_err(unusable)?
        {
            let (above, user) = (above.to_owned(), user.name().to_owned());
            return Err(WorkDirError::Replaceable { path, above, user });
        }
        let lock = WorkDirLock::take(&path).map_err(|error| match error {
            LockError::Locked(_) => WorkDirError::InUse(path.clone()),
            other => WorkDirError::Lock(other),
        })?;
        remove_stale_files(&path, tasks.as_ref());
        Ok(Self { path, tasks, _lock: lock })
    }

    /// The user that tasks run as, if not the slave's own.
    pub fn tasks_user(&self) -> Option<&Identity> {
        self.tasks.as_ref()
    }

    /// New files for the streams of a task: one for the output, and one for standard error if it is wanted apart. The
    /// files of the task before stay in place until this one starts.
    ///
    /// # Errors
    /// A file cannot be created.
    pub fn create_outputs(&self, separate: bool) -> Result<Streams<OutputFile>, FileError> {
        let create = |stream, name| OutputFile::create(stream, self.path.join(name), self.tasks.as_ref());
        let errors = || create(TaskStream::Errors, "synexec.err");
        Ok(Streams { output: create(TaskStream::Output, "synexec.out")?, errors: separate.then(errors).transpose()? })
    }

    /// Creates the payload file.
    ///
    /// # Errors
    /// The file cannot be created or given to the user that tasks run as.
    pub fn create_payload(&self, executable: bool) -> Result<Payload, FileError> {
        let path = self.path.join(format!("{PAYLOAD_PREFIX}{}", std::process::id()));
        let (path, file) = files::create_anew(&path, if executable { 0o700 } else { 0o600 }, self.tasks.as_ref())?;
        Ok(Payload { path: PayloadPath(path), file })
    }

    /// A function that removes the payload of this slave, for a process that outlives the slave.
    pub fn payload_remover(&self) -> impl Fn() + use<> {
        let (path, tasks, slave) = (self.path.clone(), self.tasks.clone(), getpid().as_raw());
        move || remove_payloads(&path, tasks.as_ref(), slave)
    }
}

/// A payload that is being written.
#[derive(Debug)]
pub struct Payload {
    path: PayloadPath,
    file: File,
}

impl Payload {
    /// Writes the next bytes.
    ///
    /// # Errors
    /// The bytes cannot be written, for instance because the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut self.file, bytes)
    }

    /// Closes the file, because a program that is open for writing cannot be executed.
    pub fn close(self) -> PayloadPath {
        self.path
    }
}

/// A payload that is whole. Dropping this removes the file.
#[derive(Debug)]
pub struct PayloadPath(PathBuf);

impl AsRef<Path> for PayloadPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for PayloadPath {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            // The task may remove its payload.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("cannot remove the payload {}: {error}", self.0.display());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use synexec_host::identity::user_name;
    use synexec_host::lock_file::LockFile;

    use super::*;

    #[test]
    fn a_second_slave_is_told_to_take_another_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = WorkDir::open(dir.path(), None).unwrap();
        let error = WorkDir::open(dir.path(), None).unwrap_err();
        assert!(matches!(error, WorkDirError::InUse(_)) && error.to_string().contains("--work-dir"));
        drop(first);
        WorkDir::open(dir.path(), None).unwrap();
    }

    #[test]
    fn a_lock_that_cannot_be_taken_is_reported_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("synexec_slave.lock");
        symlink("/etc/passwd", &lock).unwrap();
        let link = WorkDirError::Lock(LockFile::take(&lock).unwrap_err()).to_string();
        let expected = format!(
            "cannot lock the work dir: {} is a symbolic link of user {}; remove it if no slave of that user runs here, \
             or choose another work dir with --work-dir",
            lock.display(),
            user_name()
        );
        assert_eq!(link, expected);
        let io = FileError { path: "/w/lock".into(), why: io::ErrorKind::PermissionDenied.into() };
        let io = WorkDirError::Lock(io.into()).to_string();
        assert_eq!(io, "cannot lock the work dir: /w/lock: permission denied; choose another work dir with --work-dir");
    }

    #[test]
    fn a_work_dir_that_the_user_could_replace_is_not_taken() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let dir = tempfile::tempdir().unwrap();
        let work_dir = dir.path().join("work");
        std::fs::create_dir(&work_dir).unwrap();
        std::os::unix::fs::chown(dir.path(), Some(nobody.uid().as_raw()), None).unwrap();
        let error = WorkDir::open(&work_dir, Some(nobody)).unwrap_err().to_string();
        assert!(error.contains("user nobody could replace it"), "{error}");
        WorkDir::open(&work_dir, None).unwrap();
    }

    #[test]
    fn payload_and_output_belong_to_the_user_that_tasks_run_as() {
        let Ok(nobody) = Identity::find("nobody") else { return };
        let (dir, uid) = (tempfile::tempdir().unwrap(), nobody.uid().as_raw());
        let dead = dir.path().join("synexec_slave_conf.2147483647");
        std::fs::write(&dead, "").unwrap();
        std::os::unix::fs::chown(&dead, Some(uid), None).unwrap();
        let work_dir = WorkDir::open(dir.path(), Some(nobody)).unwrap();
        assert!(!dead.exists());
        let payload = work_dir.create_payload(true).unwrap().close();
        assert_eq!(work_dir.create_outputs(false).unwrap().output.begin(None).0.length().unwrap(), 0);
        for file in [payload.as_ref(), &dir.path().join("synexec.out")] {
            assert_eq!(std::fs::metadata(file).unwrap().uid(), uid);
        }
    }

    /// A path of the payload for this process, which may be in the way.
    fn usual_payload(dir: &Path) -> PathBuf {
        dir.join(format!("{PAYLOAD_PREFIX}{}", std::process::id()))
    }

    #[test]
    fn a_payload_is_private_and_replaces_an_old_one_and_is_removed_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let work_dir = WorkDir::open(dir.path(), None).unwrap();
        std::fs::write(usual_payload(dir.path()), "of a dead process").unwrap();
        let mut payload = work_dir.create_payload(false).unwrap();
        payload.write(b"data").unwrap();
        let path = payload.close();
        assert_eq!(path.as_ref(), usual_payload(&dir.path().canonicalize().unwrap()));
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        assert!(metadata.is_file() && metadata.mode() & 0o777 == 0o600 && metadata.len() == 4);
        drop(path);
        assert!(!usual_payload(dir.path()).exists());
    }

    #[test]
    fn a_payload_with_something_in_the_way_has_a_name_by_which_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, in_the_way) = (dir.path().join("victim"), usual_payload(dir.path()));
        std::fs::write(&victim, "precious").unwrap();
        let work_dir = WorkDir::open(dir.path(), None).unwrap();
        symlink(&victim, &in_the_way).unwrap();
        let paths = [(); 2].map(|()| work_dir.create_payload(false).unwrap().close());
        assert!(paths[0].as_ref() != paths[1].as_ref() && paths.iter().all(|path| path.as_ref().exists()));
        std::os::unix::fs::chown(&in_the_way, Some(12345), None).ok();
        work_dir.payload_remover()();
        assert!(!paths.iter().any(|path| path.as_ref().exists()));
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
    }
}
