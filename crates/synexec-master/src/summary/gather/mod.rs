//! Outputs in groups: equal outputs are printed once, with the names of all their slaves. Each line of a task begins
//! with `| `, or with `! ` if it comes from separate standard error, so that no task can print a heading.

mod comparison;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use synexec_proto::message::TaskStream;
use synexec_session::master::OutputId;

use self::comparison::{Comparison, Part, TIME_MAX, compare};
use crate::name_pattern::fold;
use crate::output_lines::{LineSplitter, PIECE_MAX, Piece};
use crate::outputs::Kept;
use crate::plain_text::shown;
use crate::report::{Document, OutputReport, OutputState, RoundReport, SlaveReport};
use crate::units;

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
    parts: Vec<Part<'a>>,
}

impl<'a> Gather<'a> {
    /// Prints the outputs of all rounds.
    ///
    /// # Errors
    /// A file cannot be read, or the writer fails.
    pub fn print(self, to: &mut impl Write) -> io::Result<()> {
        let mut time_to_compare = TIME_MAX;
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
            self.print_incomplete(round, to)?;
        }
        Ok(())
    }

    /// The streams of each task.
    fn streams(self) -> impl Iterator<Item = TaskStream> {
        let is_wanted = move |stream: &TaskStream| *stream == TaskStream::Output || self.document.asked.separate;
        TaskStream::ALL.into_iter().filter(is_wanted)
    }

    /// The groups of a round: larger groups first, equally large groups in the order of their ranks.
    fn groups(self, round: &'a RoundReport) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut by_digest = HashMap::new();
        for slave in &round.slaves {
            let Some(parts) = self.whole(round, slave) else { continue };
            let key: Vec<_> = parts.iter().map(Part::content).collect();
            let index = *by_digest.entry(key).or_insert(groups.len());
            match groups.get_mut(index) {
                Some(group) => group.slaves.push(slave),
                None => groups.push(Group { slaves: vec![slave], parts }),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.slaves.len()));
        groups
    }

    /// The streams of a slave; none if one of them was not fetched as a whole.
    fn whole(self, round: &RoundReport, slave: &'a SlaveReport) -> Option<Vec<Part<'a>>> {
        let part = |stream| {
            let output = slave.output_of(stream).filter(|output| is_here(output))?;
            let (digest, bytes) = (output.blake3.as_deref()?, output.bytes?);
            Some(Part { stream, file: self.file(round, slave, stream)?, bytes, digest })
        };
        self.streams().map(part).collect()
    }

    fn file(self, round: &RoundReport, slave: &SlaveReport, stream: TaskStream) -> Option<&'a Path> {
        self.kept.file(OutputId { round: round.round, rank: slave.rank, stream })
    }

    fn print_group(self, group: &Group<'_>, to: &mut impl Write) -> io::Result<()> {
        writeln!(to, "--- {}", title(group))?;
        group.parts.iter().try_for_each(|part| self.print_file(part.file, part.stream, to))
    }

    /// Prints what there is of the slaves of which a stream was not fetched as a whole. Such outputs are not compared.
    fn print_incomplete(self, round: &RoundReport, to: &mut impl Write) -> io::Result<()> {
        for slave in round.slaves.iter().filter(|slave| self.whole(round, slave).is_none()) {
            for stream in self.streams() {
                self.print_alone(round, slave, stream, to)?;
            }
        }
        Ok(())
    }

    /// Prints what there is of one stream, and why it is not the whole stream.
    fn print_alone(
        self,
        round: &RoundReport,
        slave: &SlaveReport,
        stream: TaskStream,
        to: &mut impl Write,
    ) -> io::Result<()> {
        let label = &slave.label;
        let output = slave.output_of(stream);
        let why = output.and_then(|output| output.why.as_deref()).unwrap_or_default();
        match output {
            Some(output) if is_here(output) => writeln!(to, "--- {label}: {stream}")?,
            Some(output) if output.state == OutputState::Cut => {
                writeln!(to, "--- {label}: only the beginning of the {stream}: {why}")?;
            }
            Some(output) if output.state == OutputState::Failed => {
                return writeln!(to, "--- {label}: no {stream}: {why}");
            }
            Some(_) => return writeln!(to, "--- {label}: no {stream}: an original slave does not send its output"),
            // One heading says that nothing is known of the task.
            None if stream == TaskStream::Errors => return Ok(()),
            None => return writeln!(to, "--- {label}: no output: {}", slave.outcome.text),
        }
        self.file(round, slave, stream).map_or(Ok(()), |file| self.print_file(file, stream, to))
    }

    fn print_file(self, file: &Path, stream: TaskStream, to: &mut impl Write) -> io::Result<()> {
        let mut output = File::open(file)?;
        let (mut splitter, mut chunk) = (LineSplitter::default(), vec![0; PIECE_MAX]);
        loop {
            let length = output.read(&mut chunk)?;
            let mut text = Vec::new();
            match chunk.get(..length).filter(|bytes| !bytes.is_empty()) {
                Some(bytes) => splitter.feed(bytes, |piece| write_marked(&mut text, stream, piece)),
                None => splitter.finish(|piece| write_marked(&mut text, stream, piece)),
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
        let differs = |(old, new): &(&Part<'_>, &Part<'_>)| old.content() != new.content();
        for (old, new) in most.parts.iter().zip(&group.parts).filter(differs) {
            let what = if self.document.asked.separate { format!("{} differs", new.stream) } else { "differs".into() };
            let heading = format!("--- {}: {what} from {}", title(group), title(most));
            match compare(old, new, time_left)? {
                Comparison::None(why) => writeln!(to, "{heading}; {why}")?,
                Comparison::Lines(lines) => {
                    writeln!(to, "{heading}")?;
                    self.print_lines(&lines, new.stream, to)?;
                }
            }
        }
        Ok(())
    }

    fn print_lines(self, lines: &[String], stream: TaskStream, to: &mut impl Write) -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            write_marked(&mut text, stream, Piece { text: line.as_bytes(), begins: true, ends: true });
        }
        to.write_all(&shown(&text, self.on_terminal))
    }
}

/// Writes a piece of a line after the mark of a task's line, which no heading has.
fn write_marked(text: &mut Vec<u8>, stream: TaskStream, piece: Piece<'_>) {
    if piece.begins {
        text.extend_from_slice(match stream {
            TaskStream::Output => b"| ",
            TaskStream::Errors => b"! ",
        });
    }
    text.extend_from_slice(piece.text);
    if piece.ends {
        text.push(b'\n');
    }
}

/// Whether the whole output was fetched.
fn is_here(output: &OutputReport) -> bool {
    matches!(output.state, OutputState::Stored | OutputState::Fetched)
}

fn title(group: &Group<'_>) -> String {
    let names = fold(group.slaves.iter().map(|slave| slave.label.as_str()));
    match group.slaves.len() {
        1 => names,
        slaves => format!("{names} ({})", units::count(slaves, "slave")),
    }
}
