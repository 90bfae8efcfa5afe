//! The master's wall clock is set forward and back: no start and no time limit depends on it.

use anyhow::{Result, ensure};
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::WallClock;
use synexec_tests::process::Process;
use synexec_tests::report::{self, only_round};
use synexec_tests::{lab::harness::Case, programs};

const HOUR_SECONDS: i64 = 3600;

/// Largest error of a start. A start by the wall clock would be much earlier or later.
const PUNCTUAL_SECONDS: f64 = 10.0;

const TASK: &str = "/bin/sh :CONF:\necho ran\nuntil [ -e go ]; do [ -d \"$PWD\" ] || exit 8; sleep 0.05; done\n";

pub fn case() -> Case {
    Case { name: "faults::the_clock_of_the_master_is_stepped".to_owned(), run: Box::new(session) }
}

fn session() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let clock = WallClock::new(fleet.control.dir())?;
    let mut command = fleet.control.command("env");
    command.args(clock.wrapper()).arg(programs::master()).args(["-v", "--lead", "3000", "--lost-after", "10"]);
    let master =
        Process::spawn(command.arg("--json").arg(report::file(&fleet.control)).arg("2").arg(fleet.conf(TASK)?))?;
    master.wait_for_count(") is ready to start", 2)?;
    clock.step(HOUR_SECONDS)?;
    fleet.wait_for_output(0, "ran")?;
    clock.step(-HOUR_SECONDS)?;
    for guest in &fleet.guests {
        std::fs::write(guest.dir().join("go"), "")?;
    }
    let finished = master.wait()?;
    ensure!(finished.code() == Some(0), "{finished:?}");
    for slave in only_round(&fleet.control)?.slaves {
        ensure!(slave.late.is_some_and(|late| late < PUNCTUAL_SECONDS), "{slave:?}");
    }
    fleet.serves_a_session()?;
    Ok(())
}
