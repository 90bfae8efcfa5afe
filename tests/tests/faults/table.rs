//! The table: a row for each phase and a column for each fault. Each cell has the outcome and its limit in seconds.

use std::fs;
use std::iter;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::cell::Outcome::{
    AllLost, CalledOff, Declined, GivesUp, Late, NeverRuns, NotStored, OutputLost, Postponed, Replaced, Resumed,
    StepTold, Stopped, Succeeds, TaskFails, Vm0Lost,
};
use crate::cell::{Cell, Fault, Outcome, Phase};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faults.md");

const FAULTS: [Fault; 11] = [
    Fault::SlaveKilled,
    Fault::SlaveCutOff,
    Fault::SlavePaused,
    Fault::MasterKilled,
    Fault::MasterCutOff,
    Fault::Reset,
    Fault::Forgotten,
    Fault::Loss,
    Fault::Delay,
    Fault::DiskFull,
    Fault::ClockStepped,
];

type Row = (Phase, [(Outcome, u64); FAULTS.len()]);

#[rustfmt::skip]
const TABLE: [Row; 8] = [
    (Phase::Joining, [
        (Replaced, 8), (Replaced, 15), (Succeeds, 25), (NeverRuns, 8), (GivesUp, 15),
        (Succeeds, 10), (Succeeds, 25), (Succeeds, 20), (Succeeds, 10), (Declined, 10), (Succeeds, 10),
    ]),
    (Phase::Configuring, [
        (CalledOff, 8), (CalledOff, 15), (Succeeds, 45), (NeverRuns, 8), (CalledOff, 15),
        (CalledOff, 8), (CalledOff, 15), (Succeeds, 45), (Succeeds, 30), (Declined, 15), (Succeeds, 20),
    ]),
    (Phase::Holding, [
        (CalledOff, 8), (CalledOff, 15), (Succeeds, 45), (NeverRuns, 8), (CalledOff, 15),
        (CalledOff, 8), (CalledOff, 15), (Succeeds, 30), (Succeeds, 30), (TaskFails, 20), (Succeeds, 20),
    ]),
    (Phase::Confirmed, [
        (CalledOff, 8), (CalledOff, 15), (Postponed, 45), (NeverRuns, 8), (CalledOff, 15),
        (CalledOff, 8), (CalledOff, 15), (Succeeds, 30), (Succeeds, 30), (TaskFails, 20), (Succeeds, 20),
    ]),
    (Phase::Told, [
        (Vm0Lost, 10), (Vm0Lost, 20), (Late, 35), (Stopped, 15), (AllLost, 20),
        (Resumed, 15), (Resumed, 20), (Succeeds, 30), (Succeeds, 20), (TaskFails, 15), (StepTold, 15),
    ]),
    (Phase::Running, [
        (Vm0Lost, 10), (Vm0Lost, 20), (Succeeds, 35), (Stopped, 15), (AllLost, 20),
        (Resumed, 10), (Resumed, 15), (Succeeds, 20), (Succeeds, 10), (TaskFails, 10), (StepTold, 10),
    ]),
    (Phase::Unreported, [
        (Succeeds, 10), (Vm0Lost, 20), (Succeeds, 35), (Stopped, 15), (Vm0Lost, 20),
        (Resumed, 10), (Resumed, 15), (Succeeds, 20), (Succeeds, 10), (Succeeds, 10), (Succeeds, 10),
    ]),
    (Phase::Fetching, [
        (OutputLost, 10), (OutputLost, 20), (Succeeds, 45), (Stopped, 15), (OutputLost, 20),
        (Resumed, 30), (Resumed, 45), (Succeeds, 45), (Succeeds, 30), (NotStored, 20), (Succeeds, 20),
    ]),
];

/// All cells, row by row.
pub fn cells() -> impl Iterator<Item = Cell> {
    TABLE.into_iter().flat_map(|(phase, cells)| {
        iter::zip(FAULTS, cells).map(move |(fault, (outcome, seconds))| Cell {
            phase,
            fault,
            outcome,
            within: Duration::from_secs(seconds),
        })
    })
}

/// Checks that docs/faults.md has this table.
pub fn ensure_in_document() -> Result<()> {
    let document = fs::read_to_string(DOCUMENT)?;
    let (_, section) = document.split_once("# Faults\n").context("docs/faults.md has no heading \"Faults\"")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let found: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).take(TABLE.len() + 2).collect();
    let found = found.join("\n");
    ensure!(found == markdown(), "docs/faults.md has\n{found}\n\nand the tests have\n{}", markdown());
    Ok(())
}

fn markdown() -> String {
    let head = iter::once(String::new()).chain(FAULTS.map(|fault| fault.name().replace('_', " ")));
    let rule = iter::repeat_n("---".to_owned(), FAULTS.len() + 1);
    let rows = TABLE.map(|(phase, cells)| {
        let cells = cells.map(|(outcome, seconds)| format!("{} {seconds}", outcome.words()));
        line(iter::once(phase.name().to_owned()).chain(cells))
    });
    [line(head), line(rule)].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn line(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}
