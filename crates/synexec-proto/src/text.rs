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

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn text_stays_and_control_characters_go() {
        assert_eq!(printable("vm-7 läuft".as_bytes()), "vm-7 läuft");
        assert_eq!(printable(b"a\x1b[2Jb\nc\xff"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(printable(&[b'x'; 9000]).len(), 500);
    }
}
