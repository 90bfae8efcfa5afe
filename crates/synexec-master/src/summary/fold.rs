//! The table of many slaves: first the slaves that stand out, then one line for each group of slaves that ended alike.

use std::collections::BTreeMap;
use std::time::Duration;

use super::row::{Look, Row, cpu, elapsed, memory, or_dash};
use crate::name_pattern;
use crate::report::SlaveReport;
use crate::units;

/// Most slaves that have a line of their own.
pub const ROWS_MAX: usize = 30;

/// The lines of the table.
pub fn rows(slaves: &[SlaveReport]) -> Vec<Row> {
    let (mut notable, plain): (Vec<_>, Vec<_>) = slaves.iter().partition(|slave| slave.stands_out);
    // Failed slaves come first. The sort is stable, so ranks stay in order.
    notable.sort_by_key(|slave| slave.outcome.succeeded);
    let beyond = notable.split_off(notable.len().min(ROWS_MAX));
    notable.into_iter().map(Row::of).chain(groups(&beyond)).chain(groups(&plain)).collect()
}

/// One line for each group of slaves that ended alike.
fn groups(slaves: &[&SlaveReport]) -> Vec<Row> {
    let mut groups: BTreeMap<_, Vec<&SlaveReport>> = BTreeMap::new();
    for slave in slaves {
        let outcome = &slave.outcome;
        groups.entry((outcome.kind, outcome.status, outcome.signal)).or_default().push(slave);
    }
    groups.into_values().map(|group| folded(&group)).collect()
}

fn folded(group: &[&SlaveReport]) -> Row {
    let look = group.iter().map(|slave| Look::of(slave)).find(|look| *look != Look::Plain).unwrap_or(Look::Plain);
    let starts =
        group.iter().filter_map(|slave| slave.start).map(|start| Duration::from_nanos(start.at_ns.unsigned_abs()));
    let cells = [
        look.mark().to_owned(),
        format!("{}x", group.len()),
        name_pattern::fold(group.iter().map(|slave| slave.label.as_str())),
        String::new(),
        range(starts, units::time),
        range(group.iter().filter_map(|slave| elapsed(slave)), units::time),
        range(group.iter().filter_map(|slave| cpu(slave)), units::time),
        range(group.iter().filter_map(|slave| memory(slave)), units::bytes),
        ending(group),
    ];
    Row { look, cells }
}

/// How the slaves of a group ended; only the kind of end, if the details differ.
fn ending(group: &[&SlaveReport]) -> String {
    let mut outcomes = group.iter().map(|slave| &slave.outcome);
    let Some(first) = outcomes.next() else { return String::new() };
    if outcomes.all(|outcome| outcome.text == first.text) { first.text.clone() } else { first.kind.to_owned() }
}

/// The least and the most of the figures, or the figure that all have.
fn range<T: Ord + Copy>(figures: impl Iterator<Item = T> + Clone, write: fn(T) -> String) -> String {
    let ends = figures.clone().min().zip(figures.max()).map(|(least, most)| (write(least), write(most)));
    or_dash(ends.map(|(least, most)| if least == most { least } else { format!("{least} .. {most}") }))
}
