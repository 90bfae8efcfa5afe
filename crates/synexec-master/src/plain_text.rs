//! Output of tasks as text that is safe to show: a terminal obeys control characters, and a task must not control it.

use std::borrow::Cow;

/// The bytes unchanged; for a terminal, control characters (except tab and line break) and bytes that are not UTF-8 are
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
    fn a_terminal_gets_no_control_characters() {
        let bytes = b"a\tb\x1b[2J\x07\r\xc2\x9bc\xff\n";
        assert_eq!(
            String::from_utf8(shown(bytes, true).into_owned()).unwrap(),
            "a\tb\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}c\u{fffd}\n"
        );
        assert_eq!(shown(bytes, false), &bytes[..]);
    }
}
