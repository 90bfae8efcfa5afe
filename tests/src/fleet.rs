//! A control domain and its guests in a lab, with which nearly every session test begins.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context as _, Result};

use crate::lab::{Host, Lab, Network};
use crate::process::{Finished, Process, eventually};
use crate::programs;
use crate::report;

/// One host for the master and some for slaves, on one network.
#[derive(Debug)]
pub struct Fleet {
    /// The host of the master.
    pub control: Host,
    /// The hosts of the slaves: `vm0`, `vm1`, ..
    pub guests: Vec<Host>,
    /// The network of all hosts.
    pub network: Network,
    /// The lab of the hosts.
    pub lab: Lab,
}

impl Fleet {
    /// A control domain and this many guests.
    ///
    /// # Errors
    ///
    /// If the lab cannot be made.
    pub fn new(guests: usize) -> Result<Self> {
        let lab = Lab::new()?;
        let network = lab.network("10.77.0.0/16")?;
        let control = lab.host(&[&network])?;
        let guests = lab.hosts(guests, &[&network])?;
        Ok(Self { control, guests, network, lab })
    }

    /// Writes a conf on the control domain.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn conf(&self, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.control.dir().join("job.conf");
        fs::write(&path, content)?;
        Ok(path)
    }

    /// Starts a slave on a guest.
    ///
    /// # Errors
    ///
    /// If no process can be made.
    pub fn slave(&self, guest: usize, options: &[&str]) -> Result<Process> {
        slave_on(&self.guests[guest], &format!("vm{guest}"), options)
    }

    /// Starts a slave on a guest, and waits until it listens for probes.
    ///
    /// # Errors
    ///
    /// If no process can be made, or the slave never listens.
    pub fn listening_slave(&self, guest: usize, options: &[&str]) -> Result<Process> {
        let slave = self.slave(guest, options)?;
        wait_until_listening(&slave)?;
        Ok(slave)
    }

    /// Starts a slave on a guest through another program, which then executes the slave in its own place.
    ///
    /// # Errors
    ///
    /// If no process can be made.
    pub fn slave_through(&self, guest: usize, wrapper: &[&str], options: &[&str]) -> Result<Process> {
        let host = &self.guests[guest];
        let mut command = host.command("env");
        command.args(wrapper).arg(programs::slave());
        Process::spawn(as_slave(&mut command, host, &format!("vm{guest}"), options))
    }

    /// Starts a slave on every guest, and waits until all listen for probes.
    ///
    /// # Errors
    ///
    /// If no process can be made, or a slave never listens.
    pub fn slaves(&self, options: &[&str]) -> Result<Vec<Process>> {
        let slaves: Result<Vec<_>> = (0..self.guests.len()).map(|guest| self.slave(guest, options)).collect();
        let slaves = slaves?;
        slaves.iter().try_for_each(wait_until_listening)?;
        Ok(slaves)
    }

    /// Starts a master on the control domain.
    ///
    /// # Errors
    ///
    /// If no process can be made.
    pub fn master(&self, slaves: usize, conf: &Path, options: &[&str]) -> Result<Process> {
        master_on(&self.control, slaves, conf, options)
    }

    /// Runs one whole session with all guests, to check that all serve the next session.
    ///
    /// # Errors
    ///
    /// If the session does not succeed.
    pub fn serves_a_session(&self) -> Result<Finished> {
        let conf = self.control.dir().join("next.conf");
        fs::write(&conf, "/bin/true\n")?;
        let finished = self.master(self.guests.len(), &conf, &[])?.wait()?;
        anyhow::ensure!(finished.code() == Some(0), "the next session failed: {finished:?}");
        Ok(finished)
    }

    /// Runs sessions of all guests until one has this many slaves that decline the conf. On a busy machine, a slave
    /// that takes more than a second longer than the first to decline does not count.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn session_declined_by(&self, count: usize, conf: &Path, options: &[&str]) -> Result<Finished> {
        let session = || -> Result<Option<Finished>> {
            let finished = self.master(self.guests.len(), conf, options)?.wait()?;
            Ok((rows(&finished, "declined:").len() == count).then_some(finished))
        };
        eventually(&format!("{count} to decline"), || session().transpose())?
    }

    /// The output of the task on a guest.
    ///
    /// # Errors
    ///
    /// If there is no output file.
    pub fn output(&self, guest: usize) -> Result<String> {
        let path = self.guests[guest].dir().join("synexec.out");
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Removes the outputs of all tasks.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed.
    pub fn forget_outputs(&self) -> Result<()> {
        let outputs = self.guests.iter().map(|guest| guest.dir().join("synexec.out")).filter(|output| output.exists());
        Ok(outputs.into_iter().try_for_each(fs::remove_file)?)
    }

    /// Whether the task on a guest has written an output.
    pub fn has_run(&self, guest: usize) -> bool {
        self.output(guest).is_ok_and(|output| !output.is_empty())
    }

    /// Waits until the task on a guest has written a line.
    ///
    /// # Errors
    ///
    /// If the task never does.
    pub fn wait_for_output(&self, guest: usize, needle: &str) -> Result<String> {
        let look = || self.output(guest).ok().filter(|output| output.contains(needle));
        eventually(&format!("{needle:?} in the output of vm{guest}"), look)
    }
}

/// Waits until a slave hears a master's probe.
///
/// # Errors
///
/// If the slave never does.
pub fn wait_until_listening(slave: &Process) -> Result<()> {
    slave.wait_for("listening for probes").map(drop)
}

/// Starts a slave on a host, with the host's directory as its work dir.
///
/// # Errors
///
/// If no process can be made.
pub fn slave_on(host: &Host, name: &str, options: &[&str]) -> Result<Process> {
    Process::spawn(as_slave(&mut host.command(programs::slave()), host, name, options))
}

/// The arguments of a slave, for a command that runs one in some other way.
pub fn as_slave<'a>(command: &'a mut Command, host: &Host, name: &str, options: &[&str]) -> &'a mut Command {
    command.args(["-v", "--name", name, "--work-dir"]).arg(host.dir()).args(options)
}

/// Starts a master on a host, which writes its report there.
///
/// # Errors
///
/// If no process can be made.
pub fn master_on(host: &Host, slaves: usize, conf: &Path, options: &[&str]) -> Result<Process> {
    let mut command = host.command(programs::master());
    command.arg("-v").arg("--json").arg(report::file(host)).args(options).arg(slaves.to_string()).arg(conf);
    Process::spawn(command)
}

/// The lines of the master's table that contain this word. Lines before the table do not count.
pub fn rows<'a>(finished: &'a Finished, word: &str) -> Vec<&'a str> {
    let table = finished.stdout.lines().skip_while(|line| !line.trim_start().starts_with("Rank  Name "));
    let table = table.take_while(|line| !line.starts_with("Last lines of "));
    table.filter(|line| line.split_whitespace().any(|part| part == word)).collect()
}

/// The one row of a slave.
///
/// # Errors
///
/// If there is no row, or more than one.
pub fn row<'a>(finished: &'a Finished, name: &str) -> Result<&'a str> {
    let rows = rows(finished, name);
    anyhow::ensure!(rows.len() == 1, "{} rows of {name} in {finished:?}", rows.len());
    Ok(rows[0])
}

/// The names of a directory's entries, in order.
///
/// # Errors
///
/// If the directory cannot be read.
pub fn left_in(dir: &Path) -> Result<Vec<OsString>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect();
    let mut left = entries?;
    left.sort();
    Ok(left)
}

/// Whether the process exists and is not a zombie.
pub fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}
