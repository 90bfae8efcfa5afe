//! Connections that are reset from outside, by `ss`.

use std::process::{Command, Stdio};

use anyhow::Result;

use super::Namespace;
use super::harness::Missing;
use super::tools;

const NO_DESTROY: Missing = Missing("the kernel resets no connections (it lacks CONFIG_INET_DIAG_DESTROY)");

/// Resets all that stand, and returns how many those were.
pub(super) fn connections(inside: &Namespace) -> Result<usize> {
    let before = standing(inside)?;
    // It lists those that it was able to reset.
    let reset = list(inside, &["--kill"])?;
    if before > 0 && reset == 0 { Err(NO_DESTROY.into()) } else { Ok(reset) }
}

/// How many stand.
pub(super) fn standing(inside: &Namespace) -> Result<usize> {
    list(inside, &[])
}

fn list(inside: &Namespace, options: &[&str]) -> Result<usize> {
    let mut command = Command::new("ss");
    command.args(["--no-header", "--tcp", "--numeric"]).args(options).args(["state", "established"]);
    command.stdin(Stdio::null());
    Ok(tools::run(inside, command)?.lines().filter(|line| !line.trim().is_empty()).count())
}
