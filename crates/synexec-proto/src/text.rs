//! Making text from elsewhere safe to show: on a terminal, in a log, in a report.
//!
//! A character that has no glyph of its own can change how the text around it is read: it moves the cursor, ends a
//! line, turns the direction of the text, or makes two names look the same. Such characters are replaced.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Longest name or reason, in characters. A longer text is cut.
pub const TEXT_MAX: usize = 500;

/// Whether a reader sees this character as it is: a letter, mark, digit, sign, symbol or space. The other characters
/// control a device or the layout of text, are invisible, or have no meaning that everybody agrees on.
pub fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    !is_invisible(c)
        && !matches!(
            c.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::PrivateUse
                | GeneralCategory::Surrogate
                | GeneralCategory::Unassigned
        )
}

/// The text of `bytes` as UTF-8 in one line, cut after [`TEXT_MAX`] characters. Invalid bytes and characters that are
/// not plain are replaced.
pub fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(TEXT_MAX).map(|c| if is_plain(c) { c } else { REPLACEMENT }).collect()
}

/// The name of a host: [`printable`], and one word, so that a name looks neither like several names (`a,b[1-2]`) nor
/// like the text that follows a name in a line (`name: text`).
pub fn name(bytes: &[u8]) -> String {
    printable(bytes).replace(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']'), "_")
}

/// A line of text in which all characters that are not plain are replaced, also tabs and line breaks.
pub fn plain_line(text: &str) -> Cow<'_, str> {
    replace_unless(text, is_plain)
}

/// Lines of text in which all characters that are not plain are replaced, except tabs and line breaks (LF).
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    replace_unless(text, |c| is_plain(c) || matches!(c, '\t' | '\n'))
}

const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

fn replace_unless(text: &str, stays: fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if stays(c) { c } else { REPLACEMENT }).collect())
}

/// Marks, letters and symbols that are invisible: of `Default_Ignorable_Code_Point` (UAX #44), the characters whose
/// general category does not tell, and three symbols without a glyph: BRAILLE PATTERN BLANK, OBJECT REPLACEMENT CHARACTER
/// and MUSICAL SYMBOL NULL NOTEHEAD.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{fffc}'
            | '\u{1d159}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// The text of `bytes` as UTF-8, in lines that end with LF, from the last characters that fit into `most` bytes. A carriage
/// return ends a line too. Invalid bytes and other characters that are not plain, except tabs, are replaced.
pub fn printable_end(bytes: &[u8], most: usize) -> String {
    let readable = |c: char| match c {
        '\r' => '\n',
        '\t' | '\n' => c,
        c if is_plain(c) => c,
        _ => REPLACEMENT,
    };
    let text: String = String::from_utf8_lossy(bytes).replace("\r\n", "\n").chars().map(readable).collect();
    let first = (text.len().saturating_sub(most)..=text.len()).find(|at| text.is_char_boundary(*at));
    first.and_then(|first| text.get(first..)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        assert_eq!(plain_lines("a\tb\r\nc\u{2029}"), "a\tb\u{fffd}\nc\u{fffd}");
        assert_eq!(plain_line("a\tb\nc"), "a\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn characters_that_change_how_text_is_read_are_replaced() {
        for c in [
            '\0',
            '\x1b',
            '\r',
            '\u{7f}',
            '\u{85}',
            '\u{9b}', // control characters, with those of C1
            '\u{ad}',
            '\u{200b}',
            '\u{200d}',
            '\u{2060}',
            '\u{feff}',
            '\u{e0041}', // zero width
            '\u{61c}',
            '\u{200e}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}', // direction
            '\u{2028}',
            '\u{2029}', // separators of lines and paragraphs
            '\u{378}',
            '\u{ffff}',
            '\u{10ffff}',
            '\u{e000}', // without a meaning
            '\u{34f}',
            '\u{115f}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{e0100}', // invisible letters and marks
            '\u{2800}',
            '\u{fffc}',
            '\u{1d159}', // symbols without a glyph
        ] {
            assert_eq!(plain_line(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
        }
        for text in ["Ünïcödé e\u{301}", "हिन्दी", "עברית", "العربية", "漢字 한국어", "±µ…→█ 🦀", "\u{a0}", "\u{fffd}"]
        {
            assert!(matches!(plain_line(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn a_name_is_one_word() {
        assert_eq!(name("web-1.example.org".as_bytes()), "web-1.example.org");
        assert_eq!(name("web2: a\u{3000}b\u{200b}".as_bytes()), "web2:_a_b\u{fffd}");
        assert_eq!(name(b"web[1-2],web4"), "web_1-2__web4");
    }

    proptest! {
        #[test]
        fn any_bytes_become_one_plain_line(bytes in prop::collection::vec(any::<u8>(), 0..700), text in any::<String>()) {
            for text in [printable(&bytes), printable(text.as_bytes()), name(text.as_bytes())] {
                prop_assert!(text.chars().count() <= TEXT_MAX && text.lines().count() <= 1);
                prop_assert!(text.chars().all(is_plain), "{text:?}");
            }
        }

        #[test]
        fn the_length_of_a_text_stays(text in any::<String>()) {
            prop_assert_eq!(plain_line(&text).chars().count(), text.chars().count());
            prop_assert_eq!(plain_lines(&text).matches('\n').count(), text.matches('\n').count());
        }
    }
}
