//! Output of tasks as text that is safe to show: a terminal obeys control characters, and a task must not control it.

use std::borrow::Cow;

use synexec_proto::text::plain_lines;

/// The bytes unchanged; for a terminal, bytes that are not UTF-8 and characters that are not plain are replaced, except
/// tabs and line breaks.
pub fn shown(bytes: &[u8], on_terminal: bool) -> Cow<'_, [u8]> {
    if on_terminal {
        Cow::Owned(plain_lines(&String::from_utf8_lossy(bytes)).into_owned().into_bytes())
    } else {
        Cow::Borrowed(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_no_control_characters() {
        let bytes = b"a\tb\x1b[2J\x07\r\xc2\x9bc\xff\xe2\x80\xae\n";
        assert_eq!(
            String::from_utf8(shown(bytes, true).into_owned()).unwrap(),
            "a\tb\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}c\u{fffd}\u{fffd}\n"
        );
        assert_eq!(shown(bytes, false), &bytes[..]);
    }
}
