//! The checks after the end of the session.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::messages::POSTPONED;
use synexec_tests::process::{Finished, eventually};
use synexec_tests::report::{Round, Slave, only_round};

use crate::cell::{Fault, Outcome, Phase};
use crate::phase::written;
use crate::scene::{SLAVES, SPARE, Scene};

/// In nanoseconds.
const HOUR: i64 = 3_600_000_000_000;

/// Waits for the end of the session, and checks its results and leftovers.
pub fn end(scene: &mut Scene, struck: Instant) -> Result<()> {
    let finished = match scene.cell.fault {
        Fault::MasterKilled => None,
        _ => Some(scene.master.wait()?),
    };
    let story = || scene.story();
    ensure_over_everywhere(scene).with_context(story)?;
    let took = struck.elapsed();
    let left = left_behind(scene)?;
    if let Some(finished) = finished {
        ensure_as_expected(scene, &finished).with_context(story)?;
    }
    outputs(scene).with_context(story)?;
    ensure!(took <= scene.cell.within, "the end took {took:?}, not {:?}: {}", scene.cell.within, story());
    ensure!(left.is_empty(), "processes that outlive the session: {left:?}\n{}", story());
    nothing_is_left(scene).with_context(story)
}

/// Checks that all living slaves listen for the next master.
fn ensure_over_everywhere(scene: &Scene) -> Result<()> {
    for guest in scene.living() {
        let is_free = || scene.is_in_discovery(guest).map(|free| free.then_some(())).transpose();
        eventually(&format!("vm{guest} to be in discovery"), is_free)??;
    }
    Ok(())
}

/// The leftover processes, by guest and pid. A living slave removes them before it returns to discovery. A held task
/// that never ran may still be about to end.
fn left_behind(scene: &Scene) -> Result<Vec<(usize, i32)>> {
    let mut left = Vec::new();
    if scene.cell.outcome.runs_nothing() {
        return Ok(left);
    }
    for guest in scene.living() {
        left.extend(scene.strangers(guest)?.into_iter().map(|pid| (guest, pid)));
    }
    Ok(left)
}

/// Waits for processes that end a moment later: held tasks, and the leftovers of a killed slave.
fn nothing_is_left(scene: &Scene) -> Result<()> {
    for guest in 0..scene.fleet.guests.len() {
        let none = || scene.strangers(guest).map(|left| left.is_empty().then_some(())).transpose();
        eventually(&format!("no process on vm{guest}"), none)??;
    }
    Ok(())
}

fn ensure_as_expected(scene: &Scene, finished: &Finished) -> Result<()> {
    let (status, first, others) = match scene.cell.outcome {
        Outcome::GivesUp => (3, "cancelled", "cancelled"),
        Outcome::Declined => (4, "declined: ", "cancelled"),
        Outcome::CalledOff if scene.cell.fault == Fault::MasterCutOff => (5, "", ""),
        Outcome::CalledOff => (5, "lost after", "cancelled"),
        Outcome::Vm0Lost => (5, "lost after", "exited 0"),
        Outcome::AllLost => (5, "lost after", "lost after"),
        Outcome::OutputLost => (5, "exited 0", "exited 0"),
        Outcome::TaskFails => (1, "exited 9", "exited 0"),
        Outcome::NotStored => (7, "exited 0", "exited 0"),
        Outcome::NeverRuns | Outcome::Stopped => anyhow::bail!("this outcome has no master that ends"),
        _ => (0, "exited 0", "exited 0"),
    };
    ensure!(finished.code() == Some(status), "exit status {:?}, not {status}", finished.code());
    let round = only_round(&scene.fleet.control)?;
    ensure_rows(scene, &round, first, others)?;
    told(scene, finished, &round)
}

/// Checks that the round has exactly one row for each slave that takes part.
fn ensure_rows(scene: &Scene, round: &Round, first: &str, others: &str) -> Result<()> {
    let mut taking_part: Vec<_> = match scene.cell.outcome {
        Outcome::GivesUp => Vec::new(),
        Outcome::Replaced => vec![1, 2, SPARE],
        _ => (0..SLAVES).collect(),
    };
    for row in &round.slaves {
        let guest = taking_part.iter().position(|guest| row.name == format!("vm{guest}"));
        let guest = taking_part.remove(guest.with_context(|| format!("a row too many: {row:?}"))?);
        let expected = if guest == 0 { first } else { others };
        ensure!(row.end.starts_with(expected), "not {expected:?}: {row:?}");
        // If the master is cut off, the first lost slave calls the start off for the others.
        ensure!(!expected.is_empty() || is_lost(row) || row.end == "cancelled", "{row:?}");
    }
    ensure!(!first.is_empty() || round.slaves.iter().any(is_lost), "no slave is lost: {round:?}");
    ensure!(taking_part.is_empty(), "no row of guests {taking_part:?}: {round:?}");
    Ok(())
}

fn is_lost(row: &Slave) -> bool {
    row.end.starts_with("lost after")
}

/// Checks the other messages to the user.
fn told(scene: &Scene, finished: &Finished, round: &Round) -> Result<()> {
    let output = || Ok::<_, anyhow::Error>(round.slave("vm0")?.all["output"].clone());
    match scene.cell.outcome {
        Outcome::Postponed => {
            ensure!(finished.stderr.contains(POSTPONED), "the user was not told that the start was postponed");
        }
        Outcome::StepTold => {
            let row = &round.slave("vm0")?.all;
            let by = row["guest"]["clock_step_ns"].as_i64().unwrap_or_default();
            ensure!((by - HOUR).abs() < HOUR / 3600, "the clock stepped by {by} ns");
            ensure!(row["remarks"].to_string().contains("clock stepped forward by"), "{row}");
        }
        Outcome::Late => {
            let late = round.slave("vm0")?.late.unwrap_or_default();
            ensure!(late > 1.0, "released {late} s late");
        }
        Outcome::Resumed => {
            let reconnects = &round.slave("vm0")?.all["reconnects"];
            // On a busy machine, a slave with a short --lost-after may suspect the new connection too.
            ensure!(reconnects.as_u64().is_some_and(|reconnects| reconnects >= 1), "{reconnects} reconnects");
        }
        Outcome::Declined => {
            let why = &round.slave("vm0")?.end;
            ensure!(why.contains("cannot store the payload") && why.contains("No space left"), "{why}");
        }
        Outcome::OutputLost | Outcome::NotStored => ensure!(output()?["state"] == "failed", "{}", output()?),
        _ => {}
    }
    Ok(())
}

/// Checks the outputs: a start that was called off ran nowhere, and the outputs of ended tasks are complete.
fn outputs(scene: &Scene) -> Result<()> {
    for guest in 0..scene.fleet.guests.len() {
        let output = scene.output(guest);
        let takes_part = guest < SLAVES || scene.cell.outcome == Outcome::Replaced;
        let is_left_out = guest == 0 && scene.cell.outcome == Outcome::Replaced;
        match scene.cell.outcome {
            outcome if outcome.runs_nothing() => ensure!(output.is_empty(), "a task has run on vm{guest}"),
            Outcome::Stopped if matches!(scene.cell.phase, Phase::Told | Phase::Running) => {
                ensure!(output == b"ran\n", "the task on vm{guest} was not stopped");
            }
            Outcome::Succeeds
            | Outcome::Replaced
            | Outcome::Resumed
            | Outcome::Postponed
            | Outcome::Late
            | Outcome::StepTold
                if takes_part && !is_left_out =>
            {
                ensure!(output == whole(scene, guest), "{} bytes of output on vm{guest}", output.len());
                ensure_stored(scene, guest)?;
            }
            Outcome::OutputLost if guest == 0 => {
                let file = stored(scene, guest)?;
                ensure!(!file.exists(), "{} is there", file.display());
            }
            Outcome::OutputLost => ensure_stored(scene, guest)?,
            _ => {}
        }
    }
    Ok(())
}

fn whole(scene: &Scene, guest: usize) -> Vec<u8> {
    [b"ran\n", &vec![0; written(scene.cell, guest)][..], b"done\n"].concat()
}

fn ensure_stored(scene: &Scene, guest: usize) -> Result<()> {
    if scene.cell.phase != Phase::Fetching {
        return Ok(());
    }
    let file = stored(scene, guest)?;
    let content = fs::read(&file).with_context(|| file.display().to_string())?;
    ensure!(content == whole(scene, guest), "{} has {} bytes", file.display(), content.len());
    Ok(())
}

/// The file of a guest's complete output on the master.
fn stored(scene: &Scene, guest: usize) -> Result<PathBuf> {
    let round = only_round(&scene.fleet.control)?;
    let rank = &round.slave(&format!("vm{guest}"))?.all["rank"];
    Ok(scene.fleet.control.dir().join(format!("out/{rank}-vm{guest}.out")))
}
