//! What tasks have written, as it may be shown. A terminal obeys what is written to it, and tasks are not to command it.

use std::borrow::Cow;

/// The bytes as they are; for a terminal, without control characters but tab and line break, and with what is no UTF-8
/// replaced.
pub fn shown(bytes: &[u8], on_terminal: bool) -> Cow<'_, [u8]> {
    let is_command = |c: char| c.is_control() && !matches!(c, '\t' | '\n');
    let text = if on_terminal { String::from_utf8_lossy(bytes) } else { return Cow::Borrowed(bytes) };
    let text: String = text.chars().map(|c| if is_command(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    Cow::Owned(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_commanded() {
        let bytes = b"a\tb\x1b[2J\x07\r\xc2\x9bc\xff\n";
        assert_eq!(
            String::from_utf8(shown(bytes, true).into_owned()).unwrap(),
            "a\tb\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}c\u{fffd}\n"
        );
        assert_eq!(shown(bytes, false), &bytes[..]);
    }
}
