//! Prints outputs line by line as they arrive. Each line begins with the name of its slave.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, IsTerminal, Write};

use synexec_session::master::{OutputId, OutputStep};

use crate::display::Screen;
use crate::output_lines::{LineSplitter, Piece};
use crate::plain_text::shown;

/// Outputs of which not all lines are complete.
#[derive(Debug, Default)]
pub struct Lines {
    begun: BTreeMap<OutputId, LineSplitter>,
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
        let mut text = Vec::new();
        self.begun.entry(id).or_default().feed(bytes, |piece| write_line(&mut text, name, piece));
        text
    }

    fn rest(&mut self, id: OutputId, name: &str) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some(mut begun) = self.begun.remove(&id) {
            begun.finish(|piece| write_line(&mut text, name, piece));
        }
        text
    }
}

/// Each piece of a long line has a line of its own, since lines of other slaves may come between.
fn write_line(text: &mut Vec<u8>, name: &str, piece: Piece<'_>) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b": ");
    text.extend_from_slice(piece.text);
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output_lines::PIECE_MAX;

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
    fn no_line_of_a_task_lacks_the_name_of_its_slave() {
        let mut lines = Lines::default();
        let shown = lines.whole_lines(ID, "vm0", b"10%\r20%\rvm1: forged\r\n\n");
        assert_eq!(text(shown), "vm0: 10%\nvm0: 20%\nvm0: vm1: forged\nvm0: \n");
    }

    #[test]
    fn a_line_without_end_is_printed_in_pieces() {
        let mut lines = Lines::default();
        let shown = lines.whole_lines(ID, "vm0", &vec![b'x'; PIECE_MAX * 2 + 5]);
        assert_eq!(shown.split(|byte| *byte == b'\n').count(), 3);
        assert_eq!(text(lines.rest(ID, "vm0")), "vm0: xxxxx\n");
    }
}
