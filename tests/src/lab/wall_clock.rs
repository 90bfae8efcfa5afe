//! A program's own wall clock, which can be set.
//!
//! All processes share the machine's wall clock, and no namespace has its own. A library that is loaded before libc
//! therefore answers the program's calls of `clock_gettime`. (libfaketime does not work: with it, sleeps until an
//! instant fail.)

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::preload::Preload;

/// The wall clock of the programs that are started through it.
#[derive(Debug)]
pub struct WallClock(Preload);

impl WallClock {
    /// A correct clock with its files in this directory.
    ///
    /// # Errors
    ///
    /// [`Missing`] if there is no C compiler, or the compiler's error.
    ///
    /// [`Missing`]: super::missing::Missing
    pub fn new(dir: &Path) -> Result<Self> {
        let clock = Self(Preload::new(dir, "wall_clock", "SYNEXEC_LAB_WALL_CLOCK")?);
        clock.step(0)?;
        Ok(clock)
    }

    /// Words for `env` before a program that give this clock to the program and its children.
    pub fn wrapper(&self) -> [String; 2] {
        self.0.wrapper()
    }

    /// Sets the clock to this many seconds more than the true time.
    ///
    /// # Errors
    ///
    /// If the clock's file cannot be written.
    pub fn step(&self, seconds: i64) -> Result<()> {
        let nanos = seconds.saturating_mul(1_000_000_000);
        // The file is not truncated first, because the programs have mapped it.
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(self.0.file())?;
        file.write_all(&nanos.to_ne_bytes()).with_context(|| self.0.file().display().to_string())
    }
}
