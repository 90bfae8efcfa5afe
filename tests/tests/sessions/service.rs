//! The systemd unit in `examples/`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::lab::harness::{Missing, Test};
use synexec_tests::programs;

pub const TESTS: &[(&str, Test)] = &[("service::systemd_understands_the_unit", systemd_understands_the_unit)];

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/synexec_slave.service");

const NO_SYSTEMD: Missing = Missing("systemd-analyze is not installed (Debian: apt-get install systemd)");

fn systemd_understands_the_unit() -> Result<()> {
    let unit = fs::read_to_string(UNIT)?.replace("/usr/local/bin/synexec_slave", &programs::slave().to_string_lossy());
    let complaints = verify(&unit)?;
    ensure!(complaints.is_empty(), "{complaints}");
    // What it does not understand it says.
    let complaints = verify(&unit.replace("KillMode=mixed", "KillMode=mixd"))?;
    ensure!(complaints.contains("mixd"), "{complaints}");
    Ok(())
}

/// What systemd has to say of the unit. Of what else is on this machine it says something too.
fn verify(unit: &str) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("synexec_slave.service");
    fs::write(&file, unit)?;
    let output = match analyze(&file).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(NO_SYSTEMD.into()),
        output => output.context("systemd-analyze")?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("synexec_slave")).collect();
    ensure!(output.status.success() || !ours.is_empty(), "systemd-analyze failed: {said}");
    Ok(ours.join("\n"))
}

/// Without manuals, which need not be installed.
fn analyze(unit: &Path) -> Command {
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]).arg(unit);
    command
}
