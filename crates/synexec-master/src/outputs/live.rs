//! Prints outputs line by line as they arrive: standard error on stderr if it is separate, everything else on stdout. Each
//! line begins with the name of its slave.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, IsTerminal, Write};

use synexec_proto::message::TaskStream;
use synexec_session::master::{OutputId, OutputStep};

use crate::display::Screen;
use crate::output_lines::{LineSplitter, Piece};
use crate::plain_text::shown;

/// Outputs of which not all lines are complete.
#[derive(Debug, Default)]
pub struct Lines {
    begun: BTreeMap<OutputId, LineSplitter>,
    /// The streams whose readers have closed them.
    closed: BTreeSet<TaskStream>,
}

impl Lines {
    /// Prints the complete lines of an output. At the end of the output, prints the rest.
    ///
    /// # Errors
    /// Stdout or stderr cannot be written. A reader that has closed one of them is no error.
    pub fn take(&mut self, id: OutputId, name: &str, step: &OutputStep, screen: &Screen) -> io::Result<()> {
        let text = match step {
            OutputStep::Bytes(bytes) => self.whole_lines(id, name, bytes),
            OutputStep::End { .. } | OutputStep::Cut | OutputStep::Abandon => self.rest(id, name),
            OutputStep::Begin { .. } | OutputStep::Sync => return Ok(()),
        };
        if text.is_empty() || self.closed.contains(&id.stream) {
            return Ok(());
        }
        let written = match id.stream {
            TaskStream::Output => print(&text, io::stdout(), screen),
            TaskStream::Errors => print(&text, io::stderr(), screen),
        };
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed.insert(id.stream);
                Ok(())
            }
            written => written,
        }
    }

    fn whole_lines(&mut self, id: OutputId, name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        self.begun.entry(id).or_default().feed(bytes, |piece| write_line(&mut text, name, id.stream, piece));
        text
    }

    fn rest(&mut self, id: OutputId, name: &str) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some(mut begun) = self.begun.remove(&id) {
            begun.finish(|piece| write_line(&mut text, name, id.stream, piece));
        }
        text
    }
}

/// Prints lines. The screen is locked before stderr is, as whoever draws the progress line does; in the other order, both
/// would wait for ever.
fn print(text: &[u8], mut to: impl Write + IsTerminal, screen: &Screen) -> io::Result<()> {
    let on_terminal = to.is_terminal();
    let text = shown(text, on_terminal);
    // The screen is locked only for a terminal: a pipe whose reader pauses must not block the progress line.
    if on_terminal { screen.above(|| to.write_all(&text)) } else { to.write_all(&text) }
}

/// Each piece of a long line has a line of its own, since lines of other slaves may come between. A line of standard error
/// has another mark than a line of the output, and than a message of the master.
fn write_line(text: &mut Vec<u8>, name: &str, stream: TaskStream, piece: Piece<'_>) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(match stream {
        TaskStream::Output => b": ",
        TaskStream::Errors => b"! ",
    });
    text.extend_from_slice(piece.text);
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output_lines::PIECE_MAX;

    const ID: OutputId = OutputId { round: 1, rank: 0, stream: TaskStream::Output };
    const OTHER: OutputId = OutputId { rank: 1, ..ID };
    const ERRORS: OutputId = OutputId { stream: TaskStream::Errors, ..ID };

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
    fn lines_of_standard_error_have_a_mark_of_their_own() {
        let mut lines = Lines::default();
        assert_eq!(text(lines.whole_lines(ID, "vm0", b"half a ")), "");
        assert_eq!(text(lines.whole_lines(ERRORS, "vm0", b"oops\n")), "vm0! oops\n");
        assert_eq!(text(lines.whole_lines(ID, "vm0", b"line\n")), "vm0: half a line\n");
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
