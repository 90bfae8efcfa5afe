//! Many slaves on one host, whose sessions cross its loopback.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use synexec_tests::lab::{Host, Lab};
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;

use crate::guests::listeners;
use crate::ours;

/// A host with slaves that listen.
pub struct OneHost {
    pub host: Host,
    pub slaves: Vec<Process>,
    _lab: Lab,
}

impl OneHost {
    /// A host with this many slaves.
    pub fn new(count: usize) -> Result<Self> {
        let lab = Lab::new()?;
        let network = lab.network("10.77.0.0/16")?;
        let host = lab.host(&[&network])?;
        let slaves = (0..count).map(|number| slave_on(&host, number)).collect::<Result<_>>()?;
        Ok(Self { host, slaves, _lab: lab })
    }

    /// A conf on the host.
    pub fn conf(&self, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.host.dir().join("job.conf");
        fs::write(&path, content)?;
        Ok(path)
    }

    /// A master for all slaves.
    pub fn master(&self, conf: &Path, verbosity: &str) -> Result<Process> {
        ours::master(&self.host, self.slaves.len(), conf, &["-i", "lo", verbosity])
    }

    /// The directory of a slave's files.
    pub fn work_dir(&self, slave: usize) -> PathBuf {
        self.host.dir().join(slave.to_string())
    }

    /// Waits until all slaves wait for a probe.
    pub fn wait_until_listening(&self) -> Result<()> {
        let all = || listeners(&self.slaves[0]) >= self.slaves.len();
        eventually("all slaves to listen", || all().then_some(()))
    }
}

fn slave_on(host: &Host, number: usize) -> Result<Process> {
    let work_dir = host.dir().join(number.to_string());
    fs::create_dir(&work_dir)?;
    let mut command = host.command(programs::slave());
    command.args(["-q", "-i", "lo", "--work-dir"]).arg(work_dir);
    Process::spawn(command)
}
