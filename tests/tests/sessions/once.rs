//! `--once`: a slave ends with its session, and its exit status tells the outcome.

use anyhow::{Result, ensure};
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::harness::Test;

pub const TESTS: &[(&str, Test)] = &[
    ("once::the_status_is_the_tasks_own", the_status_is_the_tasks_own),
    ("once::without_a_task_the_status_says_why", without_a_task_the_status_says_why),
];

fn the_status_is_the_tasks_own() -> Result<()> {
    let fleet = Fleet::new(3)?;
    let slaves = fleet.slaves(&["--once"])?;
    let script = "/bin/sh :CONF:\ncase $SYNEXEC_NAME in vm1) exit 3;; vm2) kill -9 $$;; esac\n";
    let master = fleet.master(3, &fleet.conf(script)?, &[])?;
    for (slave, status) in slaves.iter().zip([0, 3, 137]) {
        let finished = slave.wait()?;
        ensure!(finished.code() == Some(status), "{finished:?}");
    }
    master.wait()?;
    Ok(())
}

fn without_a_task_the_status_says_why() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let slaves = fleet.slaves(&["--once"])?;
    std::fs::copy("/bin/true", fleet.guests[0].dir().join("only-on-vm0"))?;
    let finished = fleet.master(2, &fleet.conf("./only-on-vm0\n")?, &[])?.wait()?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    let cancelled = slaves[0].wait()?;
    ensure!(cancelled.code() == Some(5), "accepted and never started: {cancelled:?}");
    let declined = slaves[1].wait()?;
    ensure!(declined.code() == Some(4), "{declined:?}");
    Ok(())
}
