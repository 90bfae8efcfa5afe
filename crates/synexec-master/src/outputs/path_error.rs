//! Errors of files with outputs.

use std::io;
use std::path::Path;

/// An error that names the file which caused it.
pub fn named(path: &Path, why: &io::Error) -> io::Error {
    io::Error::new(why.kind(), format!("{}: {why}", path.display()))
}
