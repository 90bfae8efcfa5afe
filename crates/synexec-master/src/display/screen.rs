//! The terminal, which a line at its bottom and lines above it share.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;

/// The terminal, if there is one.
#[derive(Debug, Clone)]
pub struct Screen {
    /// The line at the bottom; none where there is no terminal, or nothing is to be seen.
    bars: Option<MultiProgress>,
}

impl Screen {
    /// The terminal on stderr, where it is one and something is to be seen on it.
    pub fn new(is_wanted: bool) -> Self {
        let is_there = is_wanted && io::stderr().is_terminal();
        Self { bars: is_there.then(MultiProgress::new) }
    }

    /// What is at the bottom.
    pub(super) fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Prints something above what is at the bottom.
    pub fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    /// Has done with the bottom of the terminal.
    pub fn clear(&self) {
        if let Some(Err(error)) = self.bars.as_ref().map(MultiProgress::clear) {
            log::debug!("cannot clear the progress display: {error}");
        }
    }
}

/// Writes whole lines of the log above what is at the bottom.
impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.above(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
