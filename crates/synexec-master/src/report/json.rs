//! The document as JSON.

use std::io::{self, Write};

use super::Document;

/// Writes it, with a line for each value so that two reports can be compared.
///
/// # Errors
/// Those of the writer.
pub fn write(document: &Document, mut to: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut to, document)?;
    writeln!(to)
}
