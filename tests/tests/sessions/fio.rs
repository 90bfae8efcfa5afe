//! The example with a real fio job on four hosts.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::harness::Test;
use synexec_tests::lab::missing::Missing;

pub const TESTS: &[(&str, Test)] = &[("fio::four_hosts_give_four_sane_results", four_hosts_give_four_sane_results)];

fn four_hosts_give_four_sane_results() -> Result<()> {
    ensure!(Path::new("/usr/bin/fio").exists(), Missing("fio is not installed (Debian: apt-get install fio)"));
    let fleet = Fleet::new(4)?;
    let _slaves = fleet.slaves(&[])?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/fio.conf");
    let finished = fleet.master(4, &example, &[])?.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?} {:?}", fleet.output(0));
    for guest in 0..4 {
        let output = fleet.output(guest)?;
        let rates = [terse_number(&output, 6)?, terse_number(&output, 47)?];
        ensure!(rates.iter().all(|kib_per_second| *kib_per_second > 0), "vm{guest} {rates:?}: {output}");
    }
    Ok(())
}

/// A field of fio's terse output, version 3: 6 is the read rate in KiB/s, 47 the write rate.
fn terse_number(output: &str, field: usize) -> Result<u64> {
    let line = output.lines().find(|line| line.starts_with("3;fio-")).with_context(|| output.to_owned())?;
    let text = line.split(';').nth(field).with_context(|| line.to_owned())?;
    text.parse().with_context(|| line.to_owned())
}
