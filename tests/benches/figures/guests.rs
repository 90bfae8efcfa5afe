//! Guests in a lab, each with a slave, and the outputs of their tasks.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use synexec_tests::lab::{Host, Lab, Network};
use synexec_tests::process::{Process, eventually};
use synexec_tests::programs;

use crate::stamp::{self, Stamp};

/// How a guest differs from the control domain.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guest {
    /// Delay of its network, each way.
    pub delay: Duration,
    /// Seconds that its monotonic clock is ahead.
    pub ahead: u32,
}

/// A control domain, and guests whose slaves listen.
pub struct Guests {
    pub control: Host,
    pub network: Network,
    pub conf: PathBuf,
    hosts: Vec<Host>,
    slaves: Vec<Process>,
    _lab: Lab,
}

impl Guests {
    /// Guests that run the program.
    pub fn new(guests: &[Guest], program: &Path) -> Result<Self> {
        let lab = Lab::new()?;
        let network = lab.network("10.77.0.0/16")?;
        let control = lab.host(&[&network])?;
        let hosts = lab.hosts(guests.len(), &[&network])?;
        let conf = control.dir().join("job.conf");
        fs::write(&conf, format!("{}\n", program.display()))?;
        for (host, guest) in hosts.iter().zip(guests).filter(|(_, guest)| !guest.delay.is_zero()) {
            host.delay(guest.delay)?;
        }
        let slaves = hosts.iter().zip(guests).map(|(host, guest)| slave_on(host, *guest)).collect::<Result<_>>()?;
        Ok(Self { control, network, conf, hosts, slaves, _lab: lab })
    }

    /// Number of guests.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Waits until all slaves wait for a probe.
    pub fn wait_until_listening(&self) -> Result<()> {
        let listening = |slave: &Process| listeners(slave) > 0;
        eventually("all slaves to listen", || self.slaves.iter().all(listening).then_some(()))
    }

    /// The outputs of the last tasks.
    pub fn stamps(&self) -> Result<Vec<Stamp>> {
        self.hosts.iter().map(|host| stamp::read(&host.dir().join("synexec.out"))).collect()
    }
}

fn slave_on(host: &Host, guest: Guest) -> Result<Process> {
    let ahead = guest.ahead.to_string();
    let mut command = host.command("unshare");
    command.args(["--time", "--monotonic", &ahead, "--boottime", &ahead, "--"]);
    command.arg(programs::slave()).args(["-q", "--work-dir"]).arg(host.dir());
    Process::spawn(command)
}

/// Number of sockets that wait for probes in the process's network namespace.
pub fn listeners(slave: &Process) -> usize {
    let sockets = fs::read_to_string(format!("/proc/{}/net/udp", slave.pid())).unwrap_or_default();
    sockets.lines().filter(|line| line.contains(":142D ")).count()
}
