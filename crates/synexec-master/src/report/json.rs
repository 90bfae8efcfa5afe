//! The report as JSON.

use std::fmt::Write as _;
use std::io::{self, Write};

use synexec_proto::text::is_plain;

use super::Document;

/// Writes the report with one line for each value, so that two reports are easy to compare.
///
/// # Errors
/// The writer fails.
pub fn write(document: &Document, mut to: impl Write) -> io::Result<()> {
    let json = serde_json::to_string_pretty(document)?;
    writeln!(to, "{}", with_escapes(&json))
}

/// JSON that is safe to show and has the same values: characters that are not plain become escapes (RFC 8259,
/// section 7). JSON has such characters only in strings, except line breaks.
fn with_escapes(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_plain(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_that_are_not_plain_are_escapes() {
        assert_eq!(with_escapes("{\n  \"ä\": \"\u{202e}\u{e0041}\"\n}"), "{\n  \"ä\": \"\\u202e\\udb40\\udc41\"\n}");
    }

    proptest! {
        #[test]
        fn every_string_keeps_its_value(text in any::<String>()) {
            let json = with_escapes(&serde_json::to_string(&text).unwrap());
            prop_assert!(json.chars().all(is_plain));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
