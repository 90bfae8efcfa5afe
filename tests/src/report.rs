//! What the master prints at the end, taken apart.

use anyhow::{Context as _, Result};

use crate::process::Finished;

/// The two tables of one round.
#[derive(Debug, Default)]
pub struct Round {
    /// What became of each slave.
    pub outcomes: Vec<Outcome>,
    /// How each slave started whose start is known.
    pub starts: Vec<Start>,
}

/// A row of the table of outcomes.
#[derive(Debug)]
pub struct Outcome {
    /// The slave's number.
    pub rank: usize,
    /// What it is called.
    pub name: String,
    /// How it ended.
    pub end: String,
}

/// A row of the table of starts; all times are in seconds.
#[derive(Debug)]
pub struct Start {
    /// The slave's number.
    pub rank: usize,
    /// How long after the first.
    pub after_first: f64,
    /// How long after the instant that was ordered.
    pub late: f64,
    /// The slave's clock less the master's.
    pub offset: f64,
    /// By how much the offset may be wrong.
    pub offset_error: f64,
    /// The least round trip.
    pub round_trip: f64,
    /// How the task was held.
    pub held: String,
}

impl Round {
    /// The start of the slave of that name.
    ///
    /// # Errors
    ///
    /// Where the report has none.
    pub fn start(&self, name: &str) -> Result<&Start> {
        let outcome = self.outcomes.iter().find(|outcome| outcome.name == name);
        let rank = outcome.with_context(|| format!("no row of {name} in {self:?}"))?.rank;
        let start = self.starts.iter().find(|start| start.rank == rank);
        start.with_context(|| format!("no start of {name} in {self:?}"))
    }
}

/// The rounds of the report.
///
/// # Errors
///
/// Where a row is not understood.
pub fn rounds(finished: &Finished) -> Result<Vec<Round>> {
    let mut rounds: Vec<Round> = Vec::new();
    for line in finished.stdout.lines() {
        let cells = cells(line);
        if cells.last() == Some(&"How it ended") {
            rounds.push(Round::default());
        } else if let Some(round) = rounds.last_mut() {
            round.take(&cells).with_context(|| format!("{line:?} in {}", finished.stdout))?;
        }
    }
    Ok(rounds)
}

/// The round of a session that has one.
///
/// # Errors
///
/// Where the report is another.
pub fn only_round(finished: &Finished) -> Result<Round> {
    let rounds: Result<[Round; 1], _> = rounds(finished)?.try_into();
    let [round] = rounds.ok().with_context(|| format!("not one round in {finished:?}"))?;
    Ok(round)
}

impl Round {
    fn take(&mut self, cells: &[&str]) -> Result<()> {
        let Some(rank) = cells.first().and_then(|cell| cell.parse().ok()) else { return Ok(()) };
        match *cells {
            [_, name, _, _, _, _, end] => self.outcomes.push(Outcome { rank, name: name.into(), end: end.into() }),
            [_, "-", _, _, _, _, _, _] => {}
            [_, after_first, _, late, offset, offset_error, round_trip, held] => self.starts.push(Start {
                rank,
                after_first: seconds(after_first)?,
                late: seconds(late)?,
                offset: seconds(offset)?,
                offset_error: seconds(offset_error)?,
                round_trip: seconds(round_trip)?,
                held: held.to_owned(),
            }),
            _ => anyhow::bail!("a row of no table"),
        }
        Ok(())
    }
}

/// Columns are two spaces apart at least.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

fn seconds(cell: &str) -> Result<f64> {
    let (number, unit) = cell.split_once(' ').with_context(|| format!("{cell:?} has no unit"))?;
    let scale = match unit {
        "s" => 1.0,
        "ms" => 1e3,
        "µs" => 1e6,
        _ => anyhow::bail!("{cell:?} is no time"),
    };
    Ok(number.parse::<f64>()? / scale)
}
