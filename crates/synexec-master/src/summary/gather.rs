//! Outputs in groups: equal outputs are printed once, with the names of all their slaves. Each line of a task begins
//! with `| `, so that no task can print a heading.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use diffy::DiffOptions;
use synexec_session::master::OutputId;

use crate::name_pattern::fold;
use crate::output_lines::{LineSplitter, PIECE_MAX, Piece};
use crate::outputs::Kept;
use crate::plain_text::shown;
use crate::report::{Document, OutputReport, OutputState, RoundReport, SlaveReport};
use crate::units;

/// Outputs of more bytes are not compared line by line.
const DIFF_MAX: u64 = 1 << 20;

/// Outputs are not compared line by line if the product of their numbers of lines is larger, since the time of a
/// comparison grows with the product. This limit takes about a second.
const DIFF_LINES_MAX: usize = 100_000_000;

/// Once the comparisons of all outputs have taken this time together, no further output is compared.
const DIFF_TIME_MAX: Duration = Duration::from_secs(20);

/// The lines of a patch before its differences: the names of both outputs.
const PATCH_HEAD: usize = 2;

/// Prints the outputs of a session.
#[derive(Debug, Clone, Copy)]
pub struct Gather<'a> {
    /// The report of the session.
    pub document: &'a Document,
    /// The stored outputs.
    pub kept: &'a Kept,
    /// Whether all groups except the largest are printed as their difference from the largest.
    pub diff: bool,
    /// Whether stdout is a terminal.
    pub on_terminal: bool,
}

/// Slaves with equal outputs.
struct Group<'a> {
    slaves: Vec<&'a SlaveReport>,
    file: &'a Path,
    bytes: u64,
}

impl<'a> Gather<'a> {
    /// Prints the outputs of all rounds.
    ///
    /// # Errors
    /// A file cannot be read, or the writer fails.
    pub fn print(self, to: &mut impl Write) -> io::Result<()> {
        self.print_within(DIFF_TIME_MAX, to)
    }

    /// Prints the outputs. The comparisons of all outputs take about this time at most.
    fn print_within(self, mut time_to_compare: Duration, to: &mut impl Write) -> io::Result<()> {
        for round in &self.document.rounds {
            if self.document.asked.rounds > 1 {
                writeln!(to, "=== round {}", round.round)?;
            }
            let groups = self.groups(round);
            for (number, group) in groups.iter().enumerate() {
                match groups.first().filter(|_| self.diff && number > 0) {
                    Some(most) => self.print_difference(most, group, &mut time_to_compare, to)?,
                    None => self.print_group(group, to)?,
                }
            }
            self.print_cut(round, to)?;
            print_without_output(round, to)?;
        }
        Ok(())
    }

    /// The groups of a round: larger groups first, equally large groups in the order of their ranks.
    fn groups(self, round: &'a RoundReport) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut by_digest = HashMap::new();
        for slave in &round.slaves {
            let Some(output) = slave.output.as_ref().filter(|output| is_here(output)) else { continue };
            let Some(file) = self.file(round, slave) else { continue };
            let (Some(digest), Some(bytes)) = (&output.blake3, output.bytes) else { continue };
            let index = *by_digest.entry((bytes, digest)).or_insert(groups.len());
            match groups.get_mut(index) {
                Some(group) => group.slaves.push(slave),
                None => groups.push(Group { slaves: vec![slave], file, bytes }),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.slaves.len()));
        groups
    }

    fn file(self, round: &RoundReport, slave: &SlaveReport) -> Option<&'a Path> {
        self.kept.file(OutputId { round: round.round, rank: slave.rank })
    }

    /// Prints the outputs of which only the first bytes are here. They have no digest by which they could be compared.
    fn print_cut(self, round: &RoundReport, to: &mut impl Write) -> io::Result<()> {
        let cut = |slave: &&SlaveReport| slave.output.as_ref().is_some_and(is_cut);
        for slave in round.slaves.iter().filter(cut) {
            let why = slave.output.as_ref().and_then(|output| output.why.as_deref()).unwrap_or_default();
            writeln!(to, "--- {}: only the beginning of the output: {why}", slave.label)?;
            if let Some(file) = self.file(round, slave) {
                self.print_file(file, to)?;
            }
        }
        Ok(())
    }

    fn print_group(self, group: &Group<'_>, to: &mut impl Write) -> io::Result<()> {
        writeln!(to, "--- {}", title(group))?;
        self.print_file(group.file, to)
    }

    fn print_file(self, file: &Path, to: &mut impl Write) -> io::Result<()> {
        let mut output = File::open(file)?;
        let (mut splitter, mut chunk) = (LineSplitter::default(), vec![0; PIECE_MAX]);
        loop {
            let length = output.read(&mut chunk)?;
            let mut text = Vec::new();
            match chunk.get(..length).filter(|bytes| !bytes.is_empty()) {
                Some(bytes) => splitter.feed(bytes, |piece| write_marked(&mut text, piece)),
                None => splitter.finish(|piece| write_marked(&mut text, piece)),
            }
            to.write_all(&shown(&text, self.on_terminal))?;
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn print_difference(
        self,
        most: &Group<'_>,
        group: &Group<'_>,
        time_left: &mut Duration,
        to: &mut impl Write,
    ) -> io::Result<()> {
        let heading = format!("--- {}: differs from {}", title(group), title(most));
        let patch = match compare(most, group, time_left)? {
            Comparison::Patch(patch) => patch,
            Comparison::None(why) => return writeln!(to, "{heading}; {why}"),
        };
        writeln!(to, "{heading}")?;
        let mut text = Vec::new();
        for line in patch.split_terminator('\n').skip(PATCH_HEAD) {
            write_marked(&mut text, Piece { text: line.as_bytes(), begins: true, ends: true });
        }
        to.write_all(&shown(&text, self.on_terminal))
    }
}

/// What a comparison of two outputs gives.
enum Comparison {
    /// The lines that differ.
    Patch(String),
    /// No lines, for this reason.
    None(String),
}

fn compare(most: &Group<'_>, group: &Group<'_>, time_left: &mut Duration) -> io::Result<Comparison> {
    let too_large = || Ok(Comparison::None(format!("too large to compare ({})", units::bytes(group.bytes))));
    if most.bytes.max(group.bytes) > DIFF_MAX {
        return too_large();
    }
    let (old, new) = (read_lines(most.file)?, read_lines(group.file)?);
    if old == new {
        return Ok(Comparison::None("only in the ends of lines, or in bytes that are not UTF-8".to_owned()));
    }
    if old.lines().count().saturating_mul(new.lines().count()) > DIFF_LINES_MAX {
        return too_large();
    }
    if time_left.is_zero() {
        return Ok(Comparison::None("not compared: too many outputs differ".to_owned()));
    }
    let begun = Instant::now();
    let patch = DiffOptions::new().create_patch(&old, &new).to_string();
    *time_left = time_left.saturating_sub(begun.elapsed());
    Ok(Comparison::Patch(patch))
}

/// Writes a piece of a line after the mark of a task's line, which no heading has.
fn write_marked(text: &mut Vec<u8>, piece: Piece<'_>) {
    if piece.begins {
        text.extend_from_slice(b"| ");
    }
    text.extend_from_slice(piece.text);
    if piece.ends {
        text.push(b'\n');
    }
}

/// An output to compare. CR alone ends a line too; CR before LF stays, so that the difference shows it.
fn read_lines(file: &Path) -> io::Result<String> {
    let mut bytes = std::fs::read(file)?;
    for index in 0..bytes.len() {
        let follows = bytes.get(index + 1).copied();
        if let Some(byte) = bytes.get_mut(index).filter(|byte| **byte == b'\r' && follows != Some(b'\n')) {
            *byte = b'\n';
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn print_without_output(round: &RoundReport, to: &mut impl Write) -> io::Result<()> {
    let lacks_output =
        |slave: &&SlaveReport| !slave.output.as_ref().is_some_and(|output| is_here(output) || is_cut(output));
    for slave in round.slaves.iter().filter(lacks_output) {
        let why = match &slave.output {
            Some(output) if output.state == OutputState::Failed => output.why.as_deref().unwrap_or_default(),
            Some(_) => "an original slave does not send its output",
            None => &slave.outcome.text,
        };
        writeln!(to, "--- {}: no output: {why}", slave.label)?;
    }
    Ok(())
}

/// Whether the whole output was fetched.
fn is_here(output: &OutputReport) -> bool {
    matches!(output.state, OutputState::Stored | OutputState::Fetched)
}

/// Whether only the first bytes of the output were fetched.
fn is_cut(output: &OutputReport) -> bool {
    output.state == OutputState::Cut
}

fn title(group: &Group<'_>) -> String {
    let names = fold(group.slaves.iter().map(|slave| slave.label.as_str()));
    match group.slaves.len() {
        1 => names,
        slaves => format!("{names} ({})", units::count(slaves, "slave")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the comparison of an output with another one gives.
    fn compared(output: &[u8], mut time_left: Duration) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let files = ["most", "other"].map(|name| directory.path().join(name));
        for (file, output) in files.iter().zip([&b"one\ntwo\n\xff"[..], output]) {
            std::fs::write(file, output).unwrap();
        }
        let [most, other] = files.each_ref().map(|file| Group { slaves: Vec::new(), file, bytes: 9 });
        match compare(&most, &other, &mut time_left).unwrap() {
            Comparison::Patch(patch) => Ok(patch),
            Comparison::None(why) => Err(why),
        }
    }

    #[test]
    fn what_differs_is_told_even_if_no_line_shows_it() {
        let long = Duration::from_secs(1000);
        assert!(compared(b"one\nthree\n", long).unwrap().contains("+three"));
        for output in [&b"one\rtwo\r\xff"[..], b"one\ntwo\n\xfe"] {
            assert_eq!(
                compared(output, long).unwrap_err(),
                "only in the ends of lines, or in bytes that are not UTF-8"
            );
        }
    }

    #[test]
    fn outputs_are_not_compared_when_the_time_for_it_is_over() {
        assert_eq!(compared(b"one\nthree\n", Duration::ZERO).unwrap_err(), "not compared: too many outputs differ");
    }
}
