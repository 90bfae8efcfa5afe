//! The systemd unit in `dist/systemd/`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::missing::Missing;
use synexec_tests::programs;

pub const TESTS: &[(&str, Test)] = &[
    ("service::systemd_understands_the_unit", systemd_understands_the_unit),
    (
        "service::the_unit_gives_the_key_and_takes_rights_that_no_task_needs",
        the_unit_gives_the_key_and_takes_rights_that_no_task_needs,
    ),
];

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/systemd/synexec_slave.service");

const NO_SYSTEMD: Missing = Missing("systemd-analyze is not installed (Debian: apt-get install systemd)");

/// The hardening that the unit must have, and the rights that it must leave to tasks.
fn the_unit_gives_the_key_and_takes_rights_that_no_task_needs() -> Result<()> {
    let unit = fs::read_to_string(UNIT)?;
    let settings: Vec<_> = unit.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name| settings.iter().find(|(found, _)| *found == name).map(|(_, value)| *value).context(name);
    ensure!(value("ExecStart")?.ends_with(" -k ${CREDENTIALS_DIRECTORY}/synexec.key"));
    ensure!(value("LoadCredential")? == "synexec.key:/etc/synexec.key");
    let (forbidden, needed) = (["CAP_SYS_TIME", "CAP_SYS_MODULE"], ["CAP_SYS_NICE", "CAP_SYS_PTRACE"]);
    let taken = value("CapabilityBoundingSet")?.strip_prefix('~').context("it is not what is taken")?;
    let taken: Vec<_> = taken.split(' ').collect();
    ensure!(forbidden.iter().all(|one| taken.contains(one)) && !needed.iter().any(|one| taken.contains(one)));
    ensure!(value("KillMode")? == "mixed", "the slave alone must get SIGTERM");
    Ok(())
}

fn systemd_understands_the_unit() -> Result<()> {
    let unit = fs::read_to_string(UNIT)?.replace("/usr/local/bin/synexec_slave", &programs::slave().to_string_lossy());
    let complaints = verify(&unit)?;
    ensure!(complaints.is_empty(), "{complaints}");
    // systemd reports settings that it does not know.
    let complaints = verify(&unit.replace("KillMode=mixed", "KillMode=mixd"))?;
    ensure!(complaints.contains("mixd"), "{complaints}");
    Ok(())
}

/// The messages of systemd about this unit. systemd reports on other units of this machine too.
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

/// The check leaves out manuals, which need not be installed.
fn analyze(unit: &Path) -> Command {
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]).arg(unit);
    command
}
