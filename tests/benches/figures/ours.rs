//! Our way: a session of the real master.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::lab::Host;
use synexec_tests::process::Process;
use synexec_tests::programs;
use synexec_tests::report::{self, only_round};

use crate::guests::Guests;

/// The report's skew and uncertainty, in microseconds.
#[derive(Debug, Clone, Copy)]
pub struct Reported {
    pub skew: f64,
    pub uncertainty: f64,
}

/// One session with all guests.
pub fn run(guests: &Guests) -> Result<Reported> {
    let mut command = guests.control.command(programs::master());
    command.args(["-q", "--json"]).arg(report::file(&guests.control)).arg(guests.len().to_string()).arg(&guests.conf);
    let finished = Process::spawn(&mut command)?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    let skew = only_round(&guests.control)?.skew.context("no skew is reported")?;
    let [skew, uncertainty] = [skew.skew, skew.uncertainty].map(|time| time.as_secs_f64() * 1e6);
    Ok(Reported { skew, uncertainty })
}

/// Starts a master.
pub fn master(host: &Host, slaves: usize, conf: &Path, options: &[&str]) -> Result<Process> {
    let mut command = host.command(programs::master());
    command.args(options).arg(slaves.to_string()).arg(conf);
    Process::spawn(command)
}
