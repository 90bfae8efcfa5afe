//! Outputs line by line, each with its slave's name in front, as they come.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IsTerminal, Write};

use synexec_session::master::{OutputId, OutputStep};

use crate::display::Screen;
use crate::plain_text::shown;

/// A line longer than this is shown in pieces, so that none takes all memory.
const LINE_MAX: usize = 64 * 1024;

/// What has come of lines that are not whole.
#[derive(Debug, Default)]
pub struct Lines {
    begun: BTreeMap<OutputId, Vec<u8>>,
    /// Whether the reader has gone away, and wants no more.
    is_closed: bool,
}

impl Lines {
    /// Prints what has become whole lines, and at the end what is left.
    ///
    /// # Errors
    /// Those of stdout, but not that nobody reads it any more.
    pub fn take(&mut self, id: OutputId, name: &str, step: &OutputStep, screen: &Screen) -> io::Result<()> {
        let text = match step {
            OutputStep::Bytes(bytes) => self.whole_lines(id, name, bytes),
            OutputStep::End | OutputStep::Abandon => self.rest(id, name),
            OutputStep::Sync => return Ok(()),
        };
        if text.is_empty() || self.is_closed {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let on_terminal = stdout.is_terminal();
        let text = shown(&text, on_terminal);
        // A pipe whose reader pauses must hold up nothing but this thread, and not what is drawn on the terminal.
        let written = if on_terminal { screen.above(|| stdout.write_all(&text)) } else { stdout.write_all(&text) };
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(())
            }
            written => written,
        }
    }

    fn whole_lines(&mut self, id: OutputId, name: &str, bytes: &[u8]) -> Vec<u8> {
        let begun = self.begun.entry(id).or_default();
        let mut text = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in piece.chunks(LINE_MAX) {
                begun.extend_from_slice(piece);
                if piece.ends_with(b"\n") || begun.len() >= LINE_MAX {
                    write_line(&mut text, name, begun);
                    begun.clear();
                }
            }
        }
        text
    }

    fn rest(&mut self, id: OutputId, name: &str) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some(begun) = self.begun.remove(&id).filter(|begun| !begun.is_empty()) {
            write_line(&mut text, name, &begun);
        }
        text
    }
}

fn write_line(text: &mut Vec<u8>, name: &str, line: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b": ");
    text.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: OutputId = OutputId { round: 1, rank: 0 };
    const OTHER: OutputId = OutputId { round: 1, rank: 1 };

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_are_whole_and_named() {
        let mut lines = Lines::default();
        assert_eq!(text(lines.whole_lines(ID, "vm0", b"one\ntw")), "vm0: one\n");
        assert_eq!(text(lines.whole_lines(OTHER, "vm1", b"\nx")), "vm1: \n");
        assert_eq!(text(lines.whole_lines(ID, "vm0", b"o\nthree")), "vm0: two\n");
        assert_eq!(text(lines.rest(ID, "vm0")), "vm0: three\n");
        assert_eq!(text(lines.rest(ID, "vm0")), "");
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let mut lines = Lines::default();
        let shown = lines.whole_lines(ID, "vm0", &vec![b'x'; LINE_MAX * 2 + 5]);
        assert_eq!(shown.split(|byte| *byte == b'\n').count(), 3);
        assert_eq!(text(lines.rest(ID, "vm0")), "vm0: xxxxx\n");
    }
}
