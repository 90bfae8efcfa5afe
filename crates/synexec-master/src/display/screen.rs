//! The terminal, which is shared by a progress line at its bottom and other lines above it.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;

/// The terminal, if there is one.
#[derive(Debug, Clone)]
pub struct Screen {
    /// The progress line at the bottom; none if the user does not want one, or without a terminal that can move its
    /// cursor.
    bars: Option<MultiProgress>,
}

impl Screen {
    /// Takes the terminal on stderr, if a progress line is wanted and stderr is a terminal that can show one (`TERM`).
    pub fn new(is_wanted: bool) -> Self {
        let is_there = is_wanted && io::stderr().is_terminal() && !console::is_dumb();
        Self { bars: is_there.then(MultiProgress::new) }
    }

    /// The progress line at the bottom.
    pub(super) fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Prints something above the progress line.
    pub fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    /// Removes the progress line.
    pub fn clear(&self) {
        if let Some(Err(error)) = self.bars.as_ref().map(MultiProgress::clear) {
            log::debug!("cannot clear the progress display: {error}");
        }
    }
}

/// Writes whole lines of the log above the progress line.
impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.above(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
