//! Prints outputs line by line as they arrive. Each line begins with the name of its slave.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IsTerminal, Write};

use synexec_session::master::{OutputId, OutputStep};

use crate::display::Screen;
use crate::plain_text::shown;

/// A line longer than this many bytes is printed in pieces, so that no line takes all memory.
const LINE_MAX: usize = 64 * 1024;

/// The beginnings of lines whose ends have not arrived.
#[derive(Debug, Default)]
pub struct Lines {
    begun: BTreeMap<OutputId, Vec<u8>>,
    /// Whether the reader of stdout has closed it.
    is_closed: bool,
}

impl Lines {
    /// Prints the complete lines of an output. At the end of the output, prints the rest.
    ///
    /// # Errors
    /// Stdout cannot be written. A reader that has closed stdout is no error.
    pub fn take(&mut self, id: OutputId, name: &str, step: &OutputStep, screen: &Screen) -> io::Result<()> {
        let text = match step {
            OutputStep::Bytes(bytes) => self.whole_lines(id, name, bytes),
            OutputStep::End { .. } | OutputStep::Cut | OutputStep::Abandon => self.rest(id, name),
            OutputStep::Begin { .. } | OutputStep::Sync => return Ok(()),
        };
        if text.is_empty() || self.is_closed {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let on_terminal = stdout.is_terminal();
        let text = shown(&text, on_terminal);
        // The screen is locked only for a terminal: a pipe whose reader pauses must block only this thread, not the
        // progress line.
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
    fn only_complete_lines_are_printed_each_with_the_name_of_its_slave() {
        let mut lines = Lines::default();
        assert_eq!(text(lines.whole_lines(ID, "vm0", b"one\ntw")), "vm0: one\n");
        assert_eq!(text(lines.whole_lines(OTHER, "vm1", b"\nx")), "vm1: \n");
        assert_eq!(text(lines.whole_lines(ID, "vm0", b"o\nthree")), "vm0: two\n");
        assert_eq!(text(lines.rest(ID, "vm0")), "vm0: three\n");
        assert_eq!(text(lines.rest(ID, "vm0")), "");
    }

    #[test]
    fn a_line_without_end_is_printed_in_pieces() {
        let mut lines = Lines::default();
        let shown = lines.whole_lines(ID, "vm0", &vec![b'x'; LINE_MAX * 2 + 5]);
        assert_eq!(shown.split(|byte| *byte == b'\n').count(), 3);
        assert_eq!(text(lines.rest(ID, "vm0")), "vm0: xxxxx\n");
    }
}
