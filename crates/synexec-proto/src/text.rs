//! Making text from the network safe to show on a terminal.

/// Longest name or reason, in characters. A longer text is cut.
pub const TEXT_MAX: usize = 500;

/// The text of `bytes` as UTF-8, cut after [`TEXT_MAX`] characters. Invalid bytes and control characters are replaced,
/// so that a peer can neither move the cursor nor forge a line.
pub fn printable(bytes: &[u8]) -> String {
    let readable = |c: char| {
        if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
    };
    String::from_utf8_lossy(bytes).chars().take(TEXT_MAX).map(readable).collect()
}

/// The text of `bytes` as UTF-8, in lines that end with LF, from the last characters that fit into `most` bytes. A carriage
/// return ends a line too. Invalid bytes and other control characters, except tabs, are replaced.
pub fn printable_end(bytes: &[u8], most: usize) -> String {
    let readable = |c: char| match c {
        '\r' => '\n',
        '\t' | '\n' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let text: String = String::from_utf8_lossy(bytes).replace("\r\n", "\n").chars().map(readable).collect();
    let first = (text.len().saturating_sub(most)..=text.len()).find(|at| text.is_char_boundary(*at));
    first.and_then(|first| text.get(first..)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{printable, printable_end};

    #[test]
    fn of_a_long_text_the_end_stays_in_whole_characters() {
        assert_eq!(printable_end("läuft\n".as_bytes(), 100), "läuft\n");
        assert_eq!(printable_end("läuft\n".as_bytes(), 6), "äuft\n");
        assert_eq!(printable_end("läuft\n".as_bytes(), 5), "uft\n");
        assert_eq!(printable_end(b"10%\r20%\r\n\x1b[2Jend\t\xff", 100), "10%\n20%\n\u{fffd}[2Jend\t\u{fffd}");
        assert_eq!(printable_end(b"", 0), "");
    }

    #[test]
    fn text_stays_and_control_characters_go() {
        assert_eq!(printable("vm-7 läuft".as_bytes()), "vm-7 läuft");
        assert_eq!(printable(b"a\x1b[2Jb\nc\xff"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(printable(&[b'x'; 9000]).len(), 500);
    }
}
