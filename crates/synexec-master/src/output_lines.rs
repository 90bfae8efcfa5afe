//! Outputs as lines to show. A reader must see of each line that a task has written it, so a task must not be able to
//! begin a line that this program does not mark.

/// A longer line comes in pieces of this many bytes, so that no line takes all memory.
pub const PIECE_MAX: usize = 64 * 1024;

/// A line, or a piece of a long line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes without the end of the line.
    pub text: &'a [u8],
    /// Whether the line begins with this piece.
    pub begins: bool,
    /// Whether the line ends with this piece.
    pub ends: bool,
}

/// Splits an output that arrives in chunks of any size. A line ends with LF, CR LF, or CR, which moves the cursor to
/// the beginning of the line. Programs that show their progress often begin or end each state with CR alone, so an
/// empty line with this end is dropped.
#[derive(Debug, Default)]
pub struct LineSplitter {
    /// The end of the output so far, which is not a whole line.
    begun: Vec<u8>,
    /// Whether a piece of this line has been given.
    is_continued: bool,
    /// What the last byte was.
    last: Last,
}

/// The last byte, in so far as the next byte depends on it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Last {
    #[default]
    NoCr,
    /// CR, which has ended a line. If LF comes next, it is the rest of this end.
    CrAfterText,
    /// CR at the beginning of a line. If LF comes next, the line is empty.
    CrAlone,
}

impl LineSplitter {
    /// Takes the next bytes, and gives the lines that are complete and the pieces of a long line.
    pub fn feed(&mut self, bytes: &[u8], mut give: impl FnMut(Piece<'_>)) {
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            if std::mem::take(&mut self.last) == Last::CrAfterText && part == b"\n" {
                continue;
            }
            let text = part.strip_suffix(b"\n").or_else(|| part.strip_suffix(b"\r"));
            for chunk in text.unwrap_or(part).chunks(PIECE_MAX) {
                self.begun.extend_from_slice(chunk);
                if self.begun.len() >= PIECE_MAX {
                    self.give_piece(&mut give);
                }
            }
            let (is_empty, has_cr) = (self.begun.is_empty() && !self.is_continued, part.ends_with(b"\r"));
            if has_cr {
                self.last = if is_empty { Last::CrAlone } else { Last::CrAfterText };
            }
            if text.is_some() && self.last != Last::CrAlone {
                self.give_end(&mut give);
            }
        }
    }

    /// The output is complete: gives the last line, if it has no end of its own.
    pub fn finish(&mut self, mut give: impl FnMut(Piece<'_>)) {
        if !self.begun.is_empty() || self.is_continued {
            self.give_end(&mut give);
        }
    }

    fn give_piece(&mut self, give: &mut impl FnMut(Piece<'_>)) {
        let length = without_cut_character(&self.begun);
        let text = self.begun.get(..length).unwrap_or_default();
        give(Piece { text, begins: !self.is_continued, ends: false });
        self.is_continued = true;
        self.begun.drain(..length);
    }

    fn give_end(&mut self, give: &mut impl FnMut(Piece<'_>)) {
        give(Piece { text: &self.begun, begins: !self.is_continued, ends: true });
        self.begun.clear();
        self.is_continued = false;
    }
}

/// Length of the bytes without the beginning of a last UTF-8 character whose end is missing (RFC 3629, section 3).
fn without_cut_character(bytes: &[u8]) -> usize {
    let length_from = |first: u8| match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    };
    let first = bytes.iter().rev().take(3).zip(1..).find(|(byte, _)| **byte & 0xc0 != 0x80);
    let cut = first.filter(|(byte, here)| length_from(**byte) > *here);
    bytes.len() - cut.map_or(0, |(_, here)| here)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines, each in brackets; a piece without the end of its line has no closing bracket.
    fn lines(output: &[u8], chunk: usize) -> String {
        let (mut splitter, mut lines) = (LineSplitter::default(), String::new());
        let mut give = |piece: Piece<'_>| {
            let text = std::str::from_utf8(piece.text).unwrap();
            lines.extend([if piece.begins { "[" } else { "" }, text, if piece.ends { "]" } else { "" }]);
        };
        output.chunks(chunk).for_each(|bytes| splitter.feed(bytes, &mut give));
        splitter.finish(&mut give);
        lines
    }

    #[test]
    fn a_line_ends_with_lf_or_cr_lf_or_cr() {
        for (output, expected) in [
            ("", ""),
            ("a\nb\n", "[a][b]"),
            ("a\n\nb", "[a][][b]"),
            ("a\r\nb\r\n", "[a][b]"),
            ("\r\n\r\na\r\n\r\n", "[][][a][]"),
            ("10%\r20%\r\n", "[10%][20%]"),
            ("\r10%\r20%", "[10%][20%]"),
            ("\r\r\ra\n", "[a]"),
        ] {
            for chunk in [1, 2, 100] {
                assert_eq!(lines(output.as_bytes(), chunk), expected, "{output:?} in chunks of {chunk}");
            }
        }
    }

    #[test]
    fn a_long_line_comes_in_pieces_of_whole_characters() {
        let text = "x€".repeat(PIECE_MAX);
        for chunk in [1000, PIECE_MAX, text.len()] {
            assert_eq!(lines(text.as_bytes(), chunk), format!("[{text}]"), "chunks of {chunk}");
        }
    }

    proptest! {
        #[test]
        fn chunks_change_nothing(output in "[a\r\n]{0,20}", chunk in 1..5usize) {
            prop_assert_eq!(lines(output.as_bytes(), chunk), lines(output.as_bytes(), 100));
        }

        #[test]
        fn no_line_has_an_end_inside(output in prop::collection::vec(any::<u8>(), 0..100), chunk in 1..100usize) {
            let mut splitter = LineSplitter::default();
            let is_inside = |piece: Piece<'_>| assert!(!piece.text.contains(&b'\n') && !piece.text.contains(&b'\r'));
            output.chunks(chunk).for_each(|bytes| splitter.feed(bytes, is_inside));
            splitter.finish(is_inside);
        }

        #[test]
        fn only_a_cut_character_is_held_back(text in any::<String>(), end in 0..20usize) {
            let bytes = text.as_bytes();
            let bytes = &bytes[..end.min(bytes.len())];
            let whole = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
            prop_assert_eq!(without_cut_character(bytes), whole);
        }
    }
}
