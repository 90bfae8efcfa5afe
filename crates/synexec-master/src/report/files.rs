//! The files of the reports. They are tried before the session, so that a wrong path is an error before any task runs.
//! Each report is written to a temporary file beside it, which takes the name of the report when it is whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc::S_ISVTX;
use nix::unistd::geteuid;
use thiserror::Error;

use super::{Document, csv, html, json};

/// A report cannot be written where the user wants it.
#[derive(Debug, Error)]
pub enum ReportFileError {
    /// The file cannot be made. This is known before the session.
    #[error("cannot write a report to {path}: {why}", path = .path.display())]
    Open {
        /// Path of the report.
        path: PathBuf,
        /// Error of the system call.
        why: io::Error,
    },
    /// Two reports have the same path.
    #[error("{path} is the file of two reports; give each report a file of its own", path = .0.display())]
    Twice(PathBuf),
    /// The file cannot be written after the session.
    #[error("cannot write the report {path}: {why}", path = .path.display())]
    Write {
        /// Path of the report.
        path: PathBuf,
        /// Error of the system call.
        why: io::Error,
    },
}

/// The reports that the user wants.
#[derive(Debug)]
pub struct ReportFiles(Vec<ReportFile>);

type Format = fn(&Document, &mut BufWriter<File>) -> io::Result<()>;

#[derive(Debug)]
struct ReportFile {
    /// Absolute path of the report, with links followed.
    path: PathBuf,
    /// Whether the path is that of a special file, such as a pipe, which is written to instead of replaced.
    is_special: bool,
    format: Format,
}

impl ReportFiles {
    /// Checks that all reports can be written.
    ///
    /// # Errors
    /// [`ReportFileError`]: a path cannot be written, or two reports have the same path.
    pub fn open(json: Option<&Path>, csv: Option<&Path>, html: Option<&Path>) -> Result<Self, ReportFileError> {
        let formats: [(Option<&Path>, Format); 3] = [
            (json, |document, to| json::write(document, to)),
            (csv, |document, to| csv::write(document, to)),
            (html, |document, to| html::write(document, to)),
        ];
        let mut files: Vec<ReportFile> = Vec::new();
        for (path, format) in formats.into_iter().filter_map(|(path, format)| Some((path?, format))) {
            let file = ReportFile::open(path, format)?;
            if files.iter().any(|other| other.path == file.path && !file.is_special) {
                return Err(ReportFileError::Twice(file.path));
            }
            files.push(file);
        }
        Ok(Self(files))
    }

    /// Writes all reports, each as a whole or not at all.
    ///
    /// # Errors
    /// The first error, after all reports were tried.
    pub fn write(self, document: &Document) -> Result<(), ReportFileError> {
        let results: Vec<_> = self.0.iter().map(|file| file.write(document)).collect();
        results.into_iter().collect()
    }
}

impl ReportFile {
    fn open(path: &Path, format: Format) -> Result<Self, ReportFileError> {
        let error = |why| ReportFileError::Open { path: path.to_owned(), why };
        // A daemon changes its directory. A link is followed, so that it remains a link.
        let absolute = path.canonicalize().or_else(|_| std::path::absolute(path)).map_err(error)?;
        let there = fs::metadata(&absolute).ok();
        if there.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(error(io::ErrorKind::IsADirectory.into()));
        }
        let file = Self { path: absolute, is_special: there.is_some_and(|there| !there.is_file()), format };
        if !file.is_special {
            file.check_replaceable().map_err(error)?;
            // This file has no name, so nothing is left if this program is killed.
            tempfile::tempfile_in(file.directory().map_err(error)?).map_err(error)?;
        }
        Ok(file)
    }

    fn directory(&self) -> io::Result<&Path> {
        self.path.parent().ok_or_else(|| io::ErrorKind::InvalidFilename.into())
    }

    /// In a sticky directory such as `/tmp`, only root can replace a file of another user: unlink(2).
    fn check_replaceable(&self) -> io::Result<()> {
        let Ok(there) = fs::metadata(&self.path) else { return Ok(()) };
        let (directory, us) = (fs::metadata(self.directory()?)?, geteuid());
        let is_ours = [there.uid(), directory.uid()].contains(&us.as_raw()) || us.is_root();
        let is_sticky = directory.mode() & S_ISVTX != 0;
        if is_ours || !is_sticky { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn write(&self, document: &Document) -> Result<(), ReportFileError> {
        let written = if self.is_special { self.write_into(document) } else { self.replace(document) };
        written.map_err(|why| ReportFileError::Write { path: self.path.clone(), why })
    }

    fn write_into(&self, document: &Document) -> io::Result<()> {
        let mut writer = BufWriter::new(OpenOptions::new().write(true).open(&self.path)?);
        (self.format)(document, &mut writer)?;
        writer.flush()
    }

    fn replace(&self, document: &Document) -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        // The permissions of any new file; the umask reduces them.
        let builder = builder.prefix(".synexec-report-").permissions(Permissions::from_mode(0o666));
        let beside = builder.tempfile_in(self.directory()?)?;
        let mut writer = BufWriter::new(beside.as_file().try_clone()?);
        (self.format)(document, &mut writer)?;
        writer.flush()?;
        beside.persist(&self.path)?;
        Ok(())
    }
}
