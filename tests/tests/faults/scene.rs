//! A control domain, guests with slaves, and a session in the wanted phase.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use synexec_tests::fleet::{Fleet, left_in};
use synexec_tests::lab::{SmallDisk, WallClock};
use synexec_tests::process::{Process, eventually};

use crate::cell::{Cell, Fault, Phase};
use crate::phase;

/// A short time to reconnect, so that the test is quick.
const IMPATIENT: [&str; 4] = ["--lost-after", "4", "--reconnect", "3"];

/// Number of slaves in a session.
pub const SLAVES: usize = 3;

/// The guest of the substitute slave.
pub const SPARE: usize = 3;

/// The lab of a session and all its programs.
pub struct Scene {
    pub cell: Cell,
    pub fleet: Fleet,
    /// The slaves by guest, or none where no slave was started.
    pub slaves: Vec<Option<Process>>,
    pub master: Process,
    /// The disk under the work dir of `vm0`, if the fault fills this disk.
    pub disk: Option<SmallDisk>,
    /// The clock of the slave on `vm0`, if the fault sets this clock.
    pub clock: Option<WallClock>,
}

impl Scene {
    /// Starts a session, and brings it into the phase.
    pub fn set(cell: Cell) -> Result<Self> {
        phase::reach(cell)
    }

    /// The options of both programs.
    pub fn options(cell: Cell) -> &'static [&'static str] {
        // A slave that is away for ten seconds, or needs several attempts, must not be given up.
        let takes_time = matches!(cell.fault, Fault::SlavePaused | Fault::Loss);
        let resumes_late = cell.fault == Fault::Forgotten && cell.phase >= Phase::Told;
        if takes_time || resumes_late { &[] } else { &IMPATIENT }
    }

    /// The slave on a guest.
    pub fn slave(&self, guest: usize) -> Result<&Process> {
        self.slaves.get(guest).and_then(Option::as_ref).with_context(|| format!("no slave on vm{guest}"))
    }

    /// The guests with a living slave.
    pub fn living(&self) -> Vec<usize> {
        let lives = |slave: &Option<Process>| slave.as_ref().is_some_and(Process::is_running);
        (0..self.slaves.len()).filter(|guest| lives(&self.slaves[*guest])).collect()
    }

    /// Starts the slave on a guest.
    pub fn start_slave(&mut self, guest: usize) -> Result<()> {
        self.slaves[guest] = Some(self.fleet.slave(guest, Self::options(self.cell))?);
        Ok(())
    }

    /// The work dir of a guest's slave, as this process sees it.
    pub fn work_dir(&self, guest: usize) -> PathBuf {
        match &self.disk {
            Some(disk) if guest == 0 && self.cell.phase != Phase::Fetching => disk.dir().to_owned(),
            _ => self.fleet.guests[guest].dir().to_owned(),
        }
    }

    /// The output of the task on a guest, or nothing if there is none.
    pub fn output(&self, guest: usize) -> Vec<u8> {
        fs::read(self.work_dir(guest).join("synexec.out")).unwrap_or_default()
    }

    /// Waits until the task on a guest has begun.
    pub fn wait_until_running(&self, guest: usize) -> Result<()> {
        let has_begun = || self.output(guest).starts_with(b"ran\n").then_some(());
        eventually(&format!("the task on vm{guest} to begin"), has_begun)
    }

    /// Lets the task on a guest end.
    pub fn let_go(&self, guest: usize) -> Result<()> {
        Ok(fs::write(self.fleet.guests[guest].dir().join("go"), "")?)
    }

    /// The pids of a guest's processes, without the slave's own.
    pub fn strangers(&self, guest: usize) -> Result<Vec<i32>> {
        let slave = self.slaves[guest].as_ref().map(|slave| slave.pid().as_raw());
        let all = self.fleet.guests[guest].occupants()?.into_iter();
        let others = all.filter(|process| Some(process.pid) != slave && process.name != "synexec_keeper");
        Ok(others.map(|process| process.pid).collect())
    }

    /// Whether a guest's slave listens for probes. It does so exactly while it is in no session.
    pub fn is_in_discovery(&self, guest: usize) -> Result<bool> {
        let sockets = fs::read_to_string(format!("/proc/{}/net/udp", self.slave(guest)?.pid()))?;
        Ok(sockets.lines().any(|line| line.contains(":142D ")))
    }

    /// Checks that the next session with all living slaves succeeds and leaves nothing behind.
    pub fn ensure_next_session(&self) -> Result<()> {
        let living = self.living();
        let conf = self.fleet.control.dir().join("next.conf");
        fs::write(&conf, "/bin/cat :CONF:\nnext\n")?;
        let finished = self.fleet.master(living.len(), &conf, &[])?.wait()?;
        ensure!(finished.code() == Some(0), "the next session failed: {finished:?}\n{}", self.story());
        for guest in living {
            self.ensure_nothing_left(guest)?;
        }
        Ok(())
    }

    /// The output of all programs, for the message of a failure.
    pub fn story(&self) -> String {
        let told = self.slaves.iter().enumerate().filter_map(|(guest, slave)| {
            slave.as_ref().map(|slave| format!("--- vm{guest}\n{}", slave.output_so_far()))
        });
        format!("--- master\n{}{}", self.master.output_so_far(), told.collect::<String>())
    }

    fn ensure_nothing_left(&self, guest: usize) -> Result<()> {
        let is_clean = || {
            let left = left_in(&self.work_dir(guest)).unwrap_or_default();
            let stays = |name: &str| {
                name.starts_with("wall_clock.") || ["go", "synexec.out", "synexec_slave.lock"].contains(&name)
            };
            left.iter().all(|name| stays(&name.to_string_lossy())).then_some(())
        };
        eventually(&format!("vm{guest} to have no files but its own"), is_clean)?;
        ensure!(self.output(guest) == b"next\n", "the next task on vm{guest} wrote something else");
        Ok(())
    }
}
