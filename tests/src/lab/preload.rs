//! Libraries that are loaded into a program before libc, and answer some of its calls.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::missing::Missing;

const NO_COMPILER: Missing = Missing("there is no C compiler called cc (Debian: apt-get install gcc libc6-dev)");

/// A library, and the file by which a test tells the library what to do.
#[derive(Debug)]
pub(super) struct Preload {
    library: PathBuf,
    variable: &'static str,
    file: PathBuf,
}

impl Preload {
    /// Compiles the library from `NAME.c` in the directory of the lab's sources. The library finds the path of its file
    /// in this environment variable. Library and file are in the directory `dir`.
    ///
    /// # Errors
    ///
    /// [`Missing`] if there is no C compiler, or the compiler's error.
    pub(super) fn new(dir: &Path, name: &str, variable: &'static str) -> Result<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lab").join(name).with_extension("c");
        let library = dir.join(name).with_extension("so");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).output();
        let is_missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        if built.as_ref().is_err_and(is_missing) {
            return Err(NO_COMPILER.into());
        }
        let built = built?;
        ensure!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
        Ok(Self { library, variable, file: dir.join(name).with_extension("told") })
    }

    /// The file that the library looks at. It does not exist at first.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Words for `env` before a program that load the library into the program and its children.
    pub(super) fn wrapper(&self) -> [String; 2] {
        let [library, file] = [self.library.display(), self.file.display()];
        [format!("LD_PRELOAD={library}"), format!("{}={file}", self.variable)]
    }
}
