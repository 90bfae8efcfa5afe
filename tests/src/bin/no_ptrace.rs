//! Runs a program without the right to trace processes, for itself and its children: `no_ptrace PROGRAM [ARGUMENTS]`.
//!
//! `ptrace` fails with EPERM, as it does in containers. The program replaces this one, so the pid stays the same.

use std::collections::BTreeMap;
use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

fn main() -> Result<()> {
    let mut words = env::args_os().skip(1);
    let mut command = Command::new(words.next().context("no program is given")?);
    apply_filter(&filter()?)?;
    Err(command.args(words).exec()).with_context(|| format!("{command:?}"))
}

fn filter() -> Result<BpfProgram> {
    let refused = BTreeMap::from([(libc::SYS_ptrace, Vec::new())]);
    let refusal = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, refusal, env::consts::ARCH.try_into()?)?;
    Ok(filter.try_into()?)
}
