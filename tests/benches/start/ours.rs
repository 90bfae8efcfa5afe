//! Our way: a session of the real master.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::lab::Host;
use synexec_tests::process::{Finished, Process};
use synexec_tests::programs;

use crate::guests::Guests;

/// What the report says of the starts, in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Reported {
    pub skew: f64,
    pub uncertainty: f64,
}

/// One session with all guests.
pub fn run(guests: &Guests) -> Result<Reported> {
    let finished = master(&guests.control, guests.len(), &guests.conf, &["-q"])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    reported(&finished)
}

/// Starts a master.
pub fn master(host: &Host, slaves: usize, conf: &Path, options: &[&str]) -> Result<Process> {
    let mut command = host.command(programs::master());
    command.args(options).arg(slaves.to_string()).arg(conf);
    Process::spawn(command)
}

fn reported(finished: &Finished) -> Result<Reported> {
    let line = finished.stdout.lines().find_map(|line| line.strip_prefix("Skew: ")).context("no skew is reported")?;
    let numbers: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [skew, uncertainty, ..] = numbers[..] else { anyhow::bail!("{line}") };
    Ok(Reported { skew, uncertainty })
}
