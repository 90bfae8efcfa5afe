//! The task that is started: a static program that notes the time at its first instruction and writes it later.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/figures/stamp.c");

/// The output of a task: nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    pub started: i64,
    pub ended: i64,
}

/// Compiles the program into a directory.
pub fn build(into: &Path) -> Result<PathBuf> {
    let program = into.join("stamp");
    let flags = ["-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie"];
    let compiled = Command::new("cc").args(flags).arg(SOURCE).arg("-o").arg(&program).output();
    let compiled = compiled.context("cannot run cc, a C compiler")?;
    ensure!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    Ok(program)
}

/// Reads the stamp that a task has written.
pub fn read(output: &Path) -> Result<Stamp> {
    let text = fs::read_to_string(output).with_context(|| output.display().to_string())?;
    let mut numbers = text.split_whitespace().map(str::parse);
    let mut next = || numbers.next().with_context(|| format!("{text:?} of {}", output.display()));
    Ok(Stamp { started: next()??, ended: next()?? })
}

/// Last start minus first start, in microseconds.
pub fn skew(stamps: &[Stamp]) -> Result<f64> {
    let started = || stamps.iter().map(|stamp| stamp.started);
    let (first, last) = (started().min().context("no stamps")?, started().max().context("no stamps")?);
    Ok(micros(last - first))
}

/// Nanoseconds as microseconds.
pub fn micros(nanos: i64) -> f64 {
    std::time::Duration::from_nanos(nanos.unsigned_abs()).as_secs_f64() * 1e6
}
