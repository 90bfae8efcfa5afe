//! Outputs as files: `RANK-NAME.out`, and `RANK-NAME.err` for standard error if it is separate. A file with only the
//! first bytes has a further suffix. If there are several rounds, each has a directory `round-K`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;
use synexec_proto::message::TaskStream;
use synexec_session::master::{OutputId, OutputStep};
use tempfile::TempDir;
use thiserror::Error;

use super::earlier;
use super::file_names::{CUT, UNFINISHED, file_name};
use super::path_error::named;

/// The directory for outputs cannot be used.
#[derive(Debug, Error)]
pub enum OutputDirError {
    /// The directory cannot be created, read or written.
    #[error("cannot write outputs into {path}: {why}", path = .path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Error of the system call.
        why: io::Error,
    },
    /// The directory has outputs of an earlier run.
    #[error(
        "{path} has outputs of an earlier run, such as {example}; choose another directory, or remove these outputs with \
         --force",
        path = .path.display(), example = .example.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// One of the outputs, as a path below the directory.
        example: PathBuf,
    },
}

/// The directory that stores outputs.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    has_rounds: bool,
    open: BTreeMap<OutputId, Unfinished>,
    finished: BTreeMap<OutputId, PathBuf>,
    /// The temporary directory, if outputs are not kept.
    temporary: Option<TempDir>,
}

#[derive(Debug)]
struct Unfinished {
    file: File,
    path: PathBuf,
}

impl Store {
    /// Opens a directory; creates it if it does not exist. A directory that has outputs of an earlier run is refused, unless
    /// they may be removed.
    ///
    /// # Errors
    /// The directory cannot be created, no file can be created in it, or it has outputs.
    pub fn open(directory: &Path, rounds: u32, may_remove: bool) -> Result<Self, OutputDirError> {
        let path = directory.to_owned();
        let error = |why| OutputDirError::Unusable { path: path.clone(), why };
        let absolute = std::path::absolute(directory).map_err(error)?;
        fs::create_dir_all(&absolute).map_err(error)?;
        // Only an attempt shows whether files can be created in the directory.
        tempfile::tempfile_in(&absolute).map_err(error)?;
        if let Some(example) = earlier::find(&absolute).map_err(error)?.filter(|_| !may_remove) {
            return Err(OutputDirError::Occupied { path, example });
        }
        Ok(Self::new(absolute, rounds, None))
    }

    /// Creates a temporary directory, removed when this value is dropped.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub fn temporary(rounds: u32) -> Result<Self, OutputDirError> {
        let created = tempfile::Builder::new().prefix("synexec-").tempdir();
        let directory = created.map_err(|why| OutputDirError::Unusable { path: std::env::temp_dir(), why })?;
        Ok(Self::new(directory.path().to_owned(), rounds, Some(directory)))
    }

    fn new(directory: PathBuf, rounds: u32, temporary: Option<TempDir>) -> Self {
        let has_rounds = rounds > 1;
        Self { directory, has_rounds, open: BTreeMap::new(), finished: BTreeMap::new(), temporary }
    }

    /// Removes the outputs of earlier runs, and nothing else.
    ///
    /// # Errors
    /// A file or directory cannot be removed.
    pub fn remove_earlier(&self) -> Result<(), OutputDirError> {
        earlier::remove(&self.directory).map_err(|why| OutputDirError::Unusable { path: self.directory.clone(), why })
    }

    /// Whether the directory is removed when this value is dropped.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// The file of an output, if the output is complete or was cut.
    pub fn file(&self, id: OutputId) -> Option<&Path> {
        self.finished.get(&id).map(PathBuf::as_path)
    }

    /// Carries out one step of storing an output.
    ///
    /// # Errors
    /// A file or directory cannot be created, written, renamed or removed.
    pub fn take(&mut self, id: OutputId, name: &str, step: &OutputStep) -> io::Result<()> {
        match step {
            OutputStep::Bytes(bytes) => self.unfinished(id, name)?.write(bytes),
            OutputStep::Begin { .. } | OutputStep::Sync => Ok(()),
            OutputStep::End { .. } | OutputStep::Cut => {
                self.unfinished(id, name)?;
                let Some(unfinished) = self.open.remove(&id) else { return Ok(()) };
                let suffix = if *step == OutputStep::Cut { CUT } else { "" };
                self.finished.insert(id, unfinished.finish(suffix)?);
                Ok(())
            }
            OutputStep::Abandon => {
                self.open.remove(&id).into_iter().for_each(Unfinished::abandon);
                self.finished.remove(&id).map_or(Ok(()), fs::remove_file)
            }
        }
    }

    fn unfinished(&mut self, id: OutputId, name: &str) -> io::Result<&mut Unfinished> {
        let Self { directory, has_rounds, open, .. } = self;
        match open.entry(id) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(vacant) => Ok(vacant.insert(Unfinished::create(path(directory, *has_rounds, id, name))?)),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Unfinished outputs will not be completed after the session.
        std::mem::take(&mut self.open).into_values().for_each(Unfinished::abandon);
    }
}

impl Unfinished {
    fn create(path: PathBuf) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            create_directory(directory).map_err(|why| named(directory, &why))?;
        }
        let part = with_suffix(&path, UNFINISHED);
        // Removes an old unfinished file. If this fails, opening the file fails too, with a better message.
        let _ = fs::remove_file(&part);
        let file = OpenOptions::new().write(true).create_new(true).custom_flags(O_NOFOLLOW).open(&part);
        Ok(Self { file: file.map_err(|why| named(&part, &why))?, path })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).map_err(|why| named(&self.part(), &why))
    }

    /// Gives the file its final name, with this suffix.
    fn finish(self, suffix: &str) -> io::Result<PathBuf> {
        let path = with_suffix(&self.path, suffix);
        fs::rename(self.part(), &path).map_err(|why| named(&path, &why))?;
        Ok(path)
    }

    fn abandon(self) {
        if let Err(error) = fs::remove_file(self.part()) {
            log::warn!("cannot remove {}: {error}", self.part().display());
        }
    }

    fn part(&self) -> PathBuf {
        with_suffix(&self.path, UNFINISHED)
    }
}

fn path(directory: &Path, has_rounds: bool, id: OutputId, name: &str) -> PathBuf {
    let suffix = match id.stream {
        TaskStream::Output => "out",
        TaskStream::Errors => "err",
    };
    let file = format!("{}-{}.{suffix}", id.rank, file_name(name));
    if has_rounds { directory.join(format!("round-{}", id.round)).join(file) } else { directory.join(file) }
}

/// Creates a directory inside an existing one. A link to a directory elsewhere is refused.
fn create_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let is_ours = fs::symlink_metadata(path)?.is_dir();
            if is_ours { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
        }
        created => created,
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut longer = path.as_os_str().to_owned();
    longer.push(suffix);
    longer.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: OutputStep = OutputStep::End { digest: None };

    fn id(round: u32, rank: u32) -> OutputId {
        OutputId { round, rank, stream: TaskStream::Output }
    }

    #[test]
    fn standard_error_has_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), 1, false).unwrap();
        let errors = OutputId { stream: TaskStream::Errors, ..id(1, 3) };
        store.take(id(1, 3), "vm", &OutputStep::Bytes(b"out".to_vec())).unwrap();
        store.take(errors, "vm", &OutputStep::Bytes(b"err".to_vec())).unwrap();
        store.take(errors, "vm", &OutputStep::Cut).unwrap();
        store.take(id(1, 3), "vm", &END).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!((read("3-vm.out"), read("3-vm.err.cut")), ("out".to_owned(), "err".to_owned()));
        assert_eq!(store.file(errors), Some(dir.path().join("3-vm.err.cut").as_path()));
    }

    #[test]
    fn a_file_has_its_final_name_only_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("new/outputs"), 1, false).unwrap();
        let path = dir.path().join("new/outputs/3-vm_x.out");
        store.take(id(1, 3), "vm/x", &OutputStep::Bytes(b"one".to_vec())).unwrap();
        assert!(!path.exists() && store.file(id(1, 3)).is_none());
        store.take(id(1, 3), "vm/x", &OutputStep::Bytes(b" two".to_vec())).unwrap();
        store.take(id(1, 3), "vm/x", &END).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one two");
        assert_eq!(store.file(id(1, 3)), Some(path.as_path()));
    }

    #[test]
    fn an_abandoned_or_unfinished_output_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), 2, false).unwrap();
        store.take(id(2, 0), "vm", &OutputStep::Bytes(b"one".to_vec())).unwrap();
        store.take(id(2, 0), "vm", &OutputStep::Abandon).unwrap();
        store.take(id(2, 1), "vm", &OutputStep::Bytes(b"one".to_vec())).unwrap();
        drop(store);
        assert_eq!(fs::read_dir(dir.path().join("round-2")).unwrap().count(), 0);
    }

    #[test]
    fn a_cut_output_does_not_have_the_name_of_a_complete_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), 1, false).unwrap();
        store.take(id(1, 0), "vm", &OutputStep::Bytes(b"first".to_vec())).unwrap();
        store.take(id(1, 0), "vm", &OutputStep::Cut).unwrap();
        let cut = dir.path().join("0-vm.out.cut");
        assert_eq!((fs::read(&cut).unwrap(), store.file(id(1, 0))), (b"first".to_vec(), Some(cut.as_path())));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_output_is_an_empty_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), 1, false).unwrap();
        store.take(id(1, 0), "..", &END).unwrap();
        assert_eq!(fs::read(dir.path().join("0-...out")).unwrap(), b"");
    }

    #[test]
    fn a_slave_name_of_any_length_fits_into_a_file_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), 1, false).unwrap();
        store.take(id(1, 4_000_000_000), &"漢".repeat(500), &END).unwrap();
        assert!(store.file(id(1, 4_000_000_000)).unwrap().exists());
    }

    #[test]
    fn an_existing_link_or_pipe_is_neither_followed_nor_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("0-vm.out.part")).unwrap();
        let status = std::process::Command::new("mkfifo").arg(dir.path().join("1-vm.out.part")).status().unwrap();
        assert!(status.success());
        fs::create_dir(dir.path().join("2-vm.out")).unwrap();
        let mut store = Store::open(dir.path(), 1, false).unwrap();
        for rank in [0, 1] {
            store.take(id(1, rank), "vm", &OutputStep::Bytes(b"new".to_vec())).unwrap();
            store.take(id(1, rank), "vm", &END).unwrap();
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        let error = store.take(id(1, 2), "vm", &END).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        std::os::unix::fs::symlink("/tmp", dir.path().join("round-1")).unwrap();
        let error = Store::open(dir.path(), 2, true).unwrap().take(id(1, 0), "vm", &END).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotADirectory);
    }

    #[test]
    fn the_error_for_a_path_that_is_not_a_directory_names_the_path() {
        let error = Store::open(Path::new("/dev/null/x"), 1, false).unwrap_err().to_string();
        assert!(error.contains("/dev/null/x"), "{error}");
    }
}
