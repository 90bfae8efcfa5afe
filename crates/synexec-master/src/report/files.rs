//! The files that reports go to. They are opened before the session, so that a path that cannot be written is told before
//! anything is run, and take their names only when they are whole.

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

use super::{Document, csv, html, json};

/// A report cannot be written to where the user wants it.
#[derive(Debug, Error)]
pub enum ReportFileError {
    /// Not at all, which is known before the session.
    #[error("cannot write a report to {path}: {why}", path = .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// Not any more, when the session is over.
    #[error("cannot write the report {path}: {why}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
}

/// Those that the user wants.
#[derive(Debug)]
pub struct ReportFiles(Vec<ReportFile>);

type Format = fn(&Document, &mut BufWriter<&mut NamedTempFile>) -> io::Result<()>;

#[derive(Debug)]
struct ReportFile {
    path: PathBuf,
    file: NamedTempFile,
    format: Format,
}

impl ReportFiles {
    /// Opens files beside those that are wanted.
    ///
    /// # Errors
    /// [`ReportFileError`].
    pub fn open(json: Option<&Path>, csv: Option<&Path>, html: Option<&Path>) -> Result<Self, ReportFileError> {
        let formats: [(Option<&Path>, Format); 3] = [
            (json, |document, to| json::write(document, to)),
            (csv, |document, to| csv::write(document, to)),
            (html, |document, to| html::write(document, to)),
        ];
        let wanted = formats.into_iter().filter_map(|(path, format)| Some((path?, format)));
        wanted.map(|(path, format)| ReportFile::open(path, format)).collect::<Result<_, _>>().map(Self)
    }

    /// Writes all, each whole or not at all.
    ///
    /// # Errors
    /// The first of those that cannot be written, when all were tried.
    pub fn write(self, document: &Document) -> Result<(), ReportFileError> {
        let results: Vec<_> = self.0.into_iter().map(|file| file.write(document)).collect();
        results.into_iter().collect()
    }
}

impl ReportFile {
    fn open(path: &Path, format: Format) -> Result<Self, ReportFileError> {
        let error = |why| ReportFileError::Open { path: path.to_owned(), why };
        // A daemon goes elsewhere.
        let absolute = std::path::absolute(path).map_err(error)?;
        if absolute.is_dir() {
            return Err(error(io::ErrorKind::IsADirectory.into()));
        }
        let directory = absolute.parent().ok_or_else(|| error(io::ErrorKind::InvalidFilename.into()))?;
        let mut builder = tempfile::Builder::new();
        // As any other new file: the umask takes away from it.
        let builder = builder.prefix(".synexec-report-").permissions(Permissions::from_mode(0o666));
        let file = builder.tempfile_in(directory).map_err(error)?;
        Ok(Self { path: absolute, file, format })
    }

    fn write(mut self, document: &Document) -> Result<(), ReportFileError> {
        let error = |why| ReportFileError::Write { path: self.path.clone(), why };
        let mut writer = BufWriter::new(&mut self.file);
        let written = (self.format)(document, &mut writer).and_then(|()| writer.flush());
        drop(writer);
        written.map_err(error)?;
        self.file.persist(&self.path).map(|_| ()).map_err(|failed| error(failed.error))
    }
}
