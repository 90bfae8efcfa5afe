//! A program's own wall clock, which can be set.
//!
//! All processes share the machine's wall clock, and no namespace has its own. A library that is loaded before libc
//! therefore answers the program's calls of `clock_gettime`. (libfaketime does not work: with it, sleeps until an
//! instant fail.)

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::missing::Missing;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lab/wall_clock.c");

const NO_COMPILER: Missing = Missing("there is no C compiler called cc (Debian: apt-get install gcc libc6-dev)");

/// The wall clock of the programs that are started through it.
#[derive(Debug)]
pub struct WallClock {
    library: PathBuf,
    ahead: PathBuf,
}

impl WallClock {
    /// A correct clock with its files in this directory.
    ///
    /// # Errors
    ///
    /// [`Missing`] if there is no C compiler, or the compiler's error.
    pub fn new(dir: &Path) -> Result<Self> {
        let clock = Self { library: dir.join("wall_clock.so"), ahead: dir.join("wall_clock.ahead") };
        clock.step(0)?;
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&clock.library).arg(SOURCE).output();
        let is_missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        if built.as_ref().is_err_and(is_missing) {
            return Err(NO_COMPILER.into());
        }
        let built = built?;
        ensure!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
        Ok(clock)
    }

    /// Words for `env` before a program that give this clock to the program and its children.
    pub fn wrapper(&self) -> [String; 2] {
        let [library, ahead] = [self.library.display(), self.ahead.display()];
        [format!("LD_PRELOAD={library}"), format!("SYNEXEC_LAB_WALL_CLOCK={ahead}")]
    }

    /// Sets the clock to this many seconds more than the true time.
    ///
    /// # Errors
    ///
    /// If the clock's file cannot be written.
    pub fn step(&self, seconds: i64) -> Result<()> {
        let nanos = seconds.saturating_mul(1_000_000_000);
        // The file is not truncated first, because the programs have mapped it.
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.ahead)?;
        file.write_all(&nanos.to_ne_bytes()).with_context(|| self.ahead.display().to_string())
    }
}
