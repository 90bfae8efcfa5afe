//! Bytes as hex digits.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};

/// Largest number of bytes that a message shows.
const SHOWN: usize = 96;

/// The bytes in hex, a long run shortened.
pub fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "(nothing)".into();
    }
    let mut text = String::new();
    for byte in bytes.iter().take(SHOWN) {
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > SHOWN {
        let _ = write!(text, "... ({} bytes)", bytes.len());
    }
    text
}

/// The bytes that a line of hex digits stands for.
///
/// # Errors
///
/// If the text is not pairs of hex digits.
pub fn unhex(text: &str) -> Result<Vec<u8>> {
    ensure!(text.is_ascii() && text.len().is_multiple_of(2), "not pairs of hex digits: {text:?}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).with_context(|| format!("not hex: {text:?}")))
        .collect()
}
