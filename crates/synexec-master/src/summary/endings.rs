//! The last lines of the tasks that failed, which mostly say why.

use std::collections::BTreeMap;

use synexec_proto::message::TaskStream;

use super::fold::ROWS_MAX;
use crate::name_pattern::fold;
use crate::report::{OutputReport, OutputState, RoundReport, SlaveReport, StreamName};
use crate::units::count;

/// Most lines that are shown of one task.
const LINES: usize = 2;

/// Most characters that are shown of one line.
const LINE_MAX: usize = 200;

/// The last lines of the failed tasks of a round, after an empty line; nothing if no failed task has printed anything.
/// Equal ends are shown once. Only the first groups are shown, unless the user wants to see all.
pub fn show(round: &RoundReport, all: bool) -> String {
    let groups = groups(round);
    let shown = if all { groups.len() } else { groups.len().min(ROWS_MAX) };
    if shown == 0 {
        return String::new();
    }
    let mut text = "\nLast lines of the tasks that did not succeed:\n".to_owned();
    for (lines, slaves) in groups.iter().take(shown) {
        text.extend(["  ", &title(slaves), "\n"]);
        for line in lines {
            text.extend(["    | ", line, "\n"]);
        }
    }
    if let Some(left @ 1..) = groups.len().checked_sub(shown) {
        text.extend(["  and ", &count(left, "other end"), " (--all shows every end)\n"]);
    }
    text
}

/// Slaves whose tasks failed with the same last lines. Larger groups come first, equally large groups in the order of
/// their ranks.
fn groups(round: &RoundReport) -> Vec<(Vec<String>, Vec<&SlaveReport>)> {
    let mut groups: Vec<(Vec<String>, Vec<&SlaveReport>)> = Vec::new();
    let mut by_lines = BTreeMap::new();
    for slave in round.slaves.iter().filter(|slave| !slave.outcome.succeeded) {
        let lines = last_lines(slave.last_lines.as_deref().unwrap_or_default());
        if lines.is_empty() {
            continue;
        }
        let index = *by_lines.entry((slave.outcome.kind, lines.clone())).or_insert(groups.len());
        match groups.get_mut(index) {
            Some((_, slaves)) => slaves.push(slave),
            None => groups.push((lines, vec![slave])),
        }
    }
    groups.sort_by_key(|(_, slaves)| std::cmp::Reverse(slaves.len()));
    groups
}

fn last_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(LINES).map(cut).collect();
    lines.reverse();
    lines
}

fn cut(line: &str) -> String {
    let line = line.trim_end().replace('\t', " ");
    match line.char_indices().nth(LINE_MAX) {
        Some((at, _)) => format!("{}...", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// The names of the slaves, and where their outputs are.
fn title(slaves: &[&SlaveReport]) -> String {
    let names = fold(slaves.iter().map(|slave| slave.label.as_str()));
    let Some((place, first)) = slaves.iter().find_map(|slave| Some((place(slave)?, slave))) else {
        return format!("{names}:");
    };
    match slaves.len() {
        1 => format!("{names}: all of its {} is in {place}", stream(first)),
        slaves => {
            let (slaves, stream) = (count(slaves, "slave"), stream(first));
            format!("{names} ({slaves}): all of the {stream} of {} is in {place}", first.label)
        }
    }
}

/// The stream that has the last lines of a slave.
fn stream(slave: &SlaveReport) -> TaskStream {
    if slave.last_lines_of == Some(StreamName::Errors) { TaskStream::Errors } else { TaskStream::Output }
}

/// Where the whole of this stream is: here, or on the slave.
fn place(slave: &SlaveReport) -> Option<String> {
    let is_stored = |output: &&OutputReport| output.state == OutputState::Stored;
    let here = slave.output_of(stream(slave)).filter(is_stored).and_then(|output| output.file.clone());
    here.or_else(|| Some(format!("{}:{}", slave.label, slave.path_of(stream(slave))?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_lines_that_are_not_empty_are_shown() {
        assert_eq!(last_lines("one\ntwo\n\nthree\t3 \n \n"), ["two", "three 3"]);
        assert_eq!(last_lines("\n \n"), Vec::<String>::new());
        let long = last_lines(&"ä".repeat(LINE_MAX + 1));
        assert_eq!(long, [format!("{}...", "ä".repeat(LINE_MAX))]);
    }
}
