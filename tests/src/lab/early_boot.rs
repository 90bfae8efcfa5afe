//! A kernel that has collected no randomness yet, as shortly after the boot of a virtual machine.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::preload::Preload;

/// The time before the kernel has randomness, for the programs that are started through it.
#[derive(Debug)]
pub struct EarlyBoot(Preload);

impl EarlyBoot {
    /// No randomness yet. The files of this value are in this directory.
    ///
    /// # Errors
    ///
    /// [`Missing`] if there is no C compiler, or the compiler's error.
    ///
    /// [`Missing`]: super::missing::Missing
    pub fn new(dir: &Path) -> Result<Self> {
        Ok(Self(Preload::new(dir, "early_boot", "SYNEXEC_LAB_EARLY_BOOT")?))
    }

    /// Words for `env` before a program that is to find no randomness.
    pub fn wrapper(&self) -> [String; 2] {
        self.0.wrapper()
    }

    /// The kernel has enough randomness from now on.
    ///
    /// # Errors
    ///
    /// If the file that says so cannot be made.
    pub fn end(&self) -> Result<()> {
        File::create(self.0.file()).map(drop).with_context(|| self.0.file().display().to_string())
    }
}
