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
mod tests;
