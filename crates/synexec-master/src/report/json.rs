//! The report as JSON.

use std::io::{self, Write};

use super::Document;

/// Writes the report with one line for each value, so that two reports are easy to compare.
///
/// # Errors
/// The writer fails.
pub fn write(document: &Document, mut to: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut to, document)?;
    writeln!(to)
}
