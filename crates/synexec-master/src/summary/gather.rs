//! Outputs, grouped: those that are the same once, with the names of all whose they are.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use similar::TextDiff;
use synexec_proto::master::OutputId;

use crate::names::fold;
use crate::outputs::Kept;
use crate::report::{Document, OutputState, RoundReport, SlaveReport};
use crate::units;

/// Outputs larger than this are not compared line by line.
const DIFF_MAX: u64 = 1 << 20;

/// Outputs that are the same.
struct Group<'a> {
    slaves: Vec<&'a SlaveReport>,
    file: &'a Path,
    bytes: u64,
}

/// Prints the outputs of all rounds. With `diff`, of those that are not like most others only what differs.
///
/// # Errors
/// Those of the files, and of the writer.
pub fn print(document: &Document, kept: &Kept, diff: bool, to: &mut impl Write) -> io::Result<()> {
    for round in &document.rounds {
        let groups = groups(round, kept);
        if document.asked.rounds > 1 {
            writeln!(to, "=== round {}", round.round)?;
        }
        for (number, group) in groups.iter().enumerate() {
            match groups.first().filter(|_| diff && number > 0) {
                Some(most) => print_difference(most, group, to)?,
                None => print_group(group, to)?,
            }
        }
        print_without_output(round, kept, to)?;
    }
    Ok(())
}

/// The largest group first, then in the order of ranks.
fn groups<'a>(round: &'a RoundReport, kept: &'a Kept) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut by_digest = HashMap::new();
    for slave in &round.slaves {
        let (Some(output), Some(file)) = (&slave.output, file(round, slave, kept)) else { continue };
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

fn file<'a>(round: &RoundReport, slave: &SlaveReport, kept: &'a Kept) -> Option<&'a Path> {
    kept.file(OutputId { round: round.round, rank: slave.rank })
}

fn title(group: &Group<'_>) -> String {
    let names = fold(group.slaves.iter().map(|slave| slave.name.as_str()));
    match group.slaves.len() {
        1 => names,
        count => format!("{names} ({count} slaves)"),
    }
}

fn print_group(group: &Group<'_>, to: &mut impl Write) -> io::Result<()> {
    writeln!(to, "--- {}", title(group))?;
    let mut output = LastByte { reader: File::open(group.file)?, last: b'\n' };
    io::copy(&mut output, to)?;
    if output.last == b'\n' { Ok(()) } else { writeln!(to) }
}

fn print_difference(most: &Group<'_>, group: &Group<'_>, to: &mut impl Write) -> io::Result<()> {
    let (title_of_most, title) = (title(most), title(group));
    if most.bytes.max(group.bytes) > DIFF_MAX {
        let size = units::bytes(group.bytes);
        return writeln!(to, "--- {title}: {size}, which is not the output of {title_of_most}, and too large to compare");
    }
    let read = |group: &Group<'_>| std::fs::read(group.file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (old, new) = (read(most)?, read(group)?);
    write!(to, "{}", TextDiff::from_lines(&old, &new).unified_diff().header(&title_of_most, &title))
}

fn print_without_output(round: &RoundReport, kept: &Kept, to: &mut impl Write) -> io::Result<()> {
    for slave in round.slaves.iter().filter(|slave| file(round, slave, kept).is_none()) {
        match &slave.output {
            Some(output) if output.state == OutputState::Failed => {
                writeln!(to, "--- {}: no output: {}", slave.name, output.why.as_deref().unwrap_or_default())?;
            }
            Some(_) => writeln!(to, "--- {}: no output: an original slave does not give it", slave.name)?,
            None => writeln!(to, "--- {}: no output: {}", slave.name, slave.outcome.text)?,
        }
    }
    Ok(())
}

/// Knows the last byte that was read.
struct LastByte<R> {
    reader: R,
    last: u8,
}

impl<R: Read> Read for LastByte<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(into)?;
        self.last = length.checked_sub(1).and_then(|last| into.get(last).copied()).unwrap_or(self.last);
        Ok(length)
    }
}
