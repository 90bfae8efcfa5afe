//! Eight guests with slaves, and their sessions.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use synexec_tests::fleet::Fleet;
use synexec_tests::lab::Host;
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;
use synexec_tests::report::{self, only_round};

use crate::chance::Chance;

const SLAVES: usize = 8;

/// The guest whose slave is never killed, so that it shows the leaks of a long life.
pub const SURVIVOR: usize = 0;

/// A task that leaves a process behind, runs for a moment, and writes.
const TASK: &str = "/bin/sh :CONF:\nsetsid sleep 1000 >/dev/null 2>&1 &\nsleep 0.05\necho done\n";

/// Range of the random moment. An undisturbed session takes about half of it.
const MOMENTS_MILLIS: u64 = 300;

/// Time limit of a session, which takes far less.
const TIMEOUT_SECONDS: &str = "30";

pub struct House {
    pub fleet: Fleet,
    pub slaves: Vec<Process>,
    conf: PathBuf,
    killed: usize,
}

impl House {
    pub fn new() -> Result<Self> {
        let fleet = Fleet::new(SLAVES)?;
        let slaves = fleet.guests.iter().map(slave).collect::<Result<_>>()?;
        let conf = fleet.conf(TASK)?;
        let house = Self { fleet, slaves, conf, killed: 0 };
        house.wait_until_free()?;
        Ok(house)
    }

    /// Number of killed slaves.
    pub fn killed(&self) -> usize {
        self.killed
    }

    /// Runs one session in which one slave is killed at a random moment and started again. Returns the master's exit
    /// status.
    pub fn session(&mut self, chance: &mut Chance) -> Result<i32> {
        let reconnect = chance.below(2).to_string();
        let victim = 1 + usize::try_from(chance.below(u64::try_from(SLAVES)? - 1))?;
        let moment = Duration::from_micros(chance.below(MOMENTS_MILLIS * 1000));
        let master = self.master(&reconnect)?;
        // The random moment itself is the test, so there is no condition to wait for.
        thread::sleep(moment);
        self.slaves[victim].signal(Signal::SIGKILL)?;
        self.slaves[victim].wait()?;
        self.slaves[victim] = slave(&self.fleet.guests[victim])?;
        self.killed += 1;
        let finished = master.wait()?;
        let story = || format!("vm{victim} was killed after {moment:?}: {finished:?}");
        let status = finished.code().with_context(story)?;
        ensure!(matches!(status, 0 | 5), "{}", story());
        ensure!(only_round(&self.fleet.control)?.slaves.len() == SLAVES, "{}", story());
        self.wait_until_free().with_context(story)?;
        Ok(status)
    }

    fn master(&self, reconnect: &str) -> Result<Process> {
        let control = &self.fleet.control;
        let mut command = control.command(programs::master());
        command.env("TMPDIR", control.dir()).arg("--json").arg(report::file(control));
        command.args(["--reconnect", reconnect, "--timeout", TIMEOUT_SECONDS, "--output", "out", "--force"]);
        Process::spawn(command.arg(SLAVES.to_string()).arg(&self.conf))
    }

    /// All slaves listen for a probe.
    fn wait_until_free(&self) -> Result<()> {
        for (number, slave) in self.slaves.iter().enumerate() {
            let sockets = format!("/proc/{}/net/udp", slave.pid());
            let listens = || std::fs::read_to_string(&sockets).is_ok_and(|sockets| sockets.contains(":142D "));
            eventually(&format!("vm{number} to be in discovery"), || listens().then_some(()))?;
        }
        Ok(())
    }
}

fn slave(host: &Host) -> Result<Process> {
    let mut command = host.command(programs::slave());
    command.env("TMPDIR", host.dir()).args(["--quiet", "--reconnect", "1", "--work-dir"]).arg(host.dir());
    Process::spawn(command)
}
