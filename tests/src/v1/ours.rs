//! Our two programs, in the way these tests start them.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{Master, Peer, Slave};
use crate::process::{Finished, Process};
use crate::programs;

/// The conf of a task that runs until [`OurSlave::let_go`].
pub const UNTIL_GO: &[u8] =
    b"/bin/sh :CONF:\ncd \"${0%/*}\"; until [ -e go ] || [ ! -d \"$PWD\" ]; do sleep 0.05; done\n";

/// A session id that no other test of this machine is likely to use.
pub fn fresh_session() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    process::id() << 10 | COUNT.fetch_add(1, Ordering::Relaxed)
}

/// Our slave, with a work directory of its own.
#[derive(Debug)]
pub struct OurSlave {
    process: Process,
    work: TempDir,
}

impl OurSlave {
    /// Starts a slave that hears this master's probes.
    ///
    /// # Errors
    ///
    /// If the program does not start.
    pub fn listening(master: &Master) -> Result<Self> {
        Self::start(master.session(), &["-p", &master.port().to_string()])
    }

    /// Starts a slave that dials this port of loopback.
    ///
    /// # Errors
    ///
    /// If the program does not start.
    pub fn dialling(session: u32, port: u16) -> Result<Self> {
        Self::start(session, &["-m", &format!("127.0.0.1:{port}")])
    }

    /// The process of the program.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The work directory of the slave.
    pub fn work_dir(&self) -> &Path {
        self.work.path()
    }

    /// The file with the task's output.
    pub fn output_path(&self) -> PathBuf {
        self.work.path().join("synexec.out")
    }

    /// The output of the task.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn output(&self) -> Result<Vec<u8>> {
        let path = self.output_path();
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// Checks that the task's output equals these bytes.
    ///
    /// # Errors
    ///
    /// If the output differs.
    pub fn expect_output(&self, expected: impl AsRef<[u8]>) -> Result<()> {
        let (output, expected) = (self.output()?, expected.as_ref());
        ensure!(
            output == expected,
            "the task's output\nexpected: {}\nfound:    {}",
            expected.escape_ascii(),
            output.escape_ascii()
        );
        Ok(())
    }

    /// Ends the task of the conf [`UNTIL_GO`], which runs until this call.
    ///
    /// # Errors
    ///
    /// If the slave does not report this end.
    pub fn let_go(&self, peer: &mut Peer) -> Result<()> {
        let before = SystemTime::now();
        fs::write(self.work_dir().join("go"), "")?;
        peer.expect_finish()?.check_over_after(before)
    }

    fn start(session: u32, how: &[&str]) -> Result<Self> {
        let work = tempfile::tempdir()?;
        let mut command = Command::new(programs::slave());
        command.args(["-v", "-i", "lo", "-s", &session.to_string(), "--work-dir"]);
        command.arg(work.path()).args(how);
        Ok(Self { process: Process::spawn(command)?, work })
    }
}

/// The permission bits of a file.
///
/// # Errors
///
/// If there is no such file.
pub fn mode(path: &Path) -> Result<u32> {
    let metadata = fs::metadata(path).with_context(|| format!("looking at {}", path.display()))?;
    Ok(metadata.permissions().mode() & 0o7777)
}

/// Our master, at a port that the kernel chose.
#[derive(Debug)]
pub struct OurMaster {
    process: Process,
    port: u16,
    _conf: TempDir,
}

impl OurMaster {
    /// Starts a master for these scripted slaves.
    ///
    /// # Errors
    ///
    /// If the program does not start.
    pub fn start(slaves: &[&Slave], conf: &[u8]) -> Result<Self> {
        Self::awaiting(slaves.len(), slaves, conf)
    }

    /// Starts a master for `count` slaves, with the addresses of the scripted ones. All must belong to one session.
    ///
    /// # Errors
    ///
    /// If the program does not start.
    pub fn awaiting(count: usize, slaves: &[&Slave], conf: &[u8]) -> Result<Self> {
        Self::with_options(count, slaves, conf, &[])
    }

    /// Starts a master for `count` slaves, with the addresses of the scripted ones and with more options.
    ///
    /// # Errors
    ///
    /// If the program does not start.
    pub fn with_options(count: usize, slaves: &[&Slave], conf: &[u8], options: &[&str]) -> Result<Self> {
        let session = slaves.first().context("a session without a scripted slave")?.session();
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("job.conf");
        fs::write(&file, conf)?;
        let mut command = Command::new(programs::master());
        command.args(["-v", "-i", "lo", "-p", "0", "-s", &session.to_string()]);
        for slave in slaves {
            command.args(["-t", &slave.target()?]);
        }
        command.args(options).arg(count.to_string()).arg(file);
        let process = Process::spawn(command)?;
        let port = listening_port(&process.wait_for("listening on ")?)?;
        Ok(Self { process, port, _conf: directory })
    }

    /// The port on which the master listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process of the program.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Interrupts the master, as Ctrl-C does.
    ///
    /// # Errors
    ///
    /// If the master has already ended.
    pub fn interrupt(&self) -> Result<()> {
        self.process.signal(Signal::SIGINT)
    }

    /// Waits for the end of the master, and checks its exit status.
    ///
    /// # Errors
    ///
    /// If the master ends with another status or not at all. The message shows the master's output.
    pub fn ends_with(&self, code: i32) -> Result<Finished> {
        let finished = self.process.wait()?;
        ensure!(
            finished.code() == Some(code),
            "the master ended with {}, not exit status {code}\nstdout:\n{}\nstderr:\n{}",
            finished.status,
            finished.stdout,
            finished.stderr
        );
        Ok(finished)
    }
}

/// The row of this address in the master's final table: the last line that contains the address.
///
/// # Errors
///
/// If there is none.
pub fn row(finished: &Finished, address: Ipv4Addr) -> Result<String> {
    let address = address.to_string();
    let is_its = |line: &&str| words(line).any(|word| word == address);
    let row = finished.stdout.lines().rfind(is_its);
    let row = row.with_context(|| format!("no row for {address} in the table:\n{}", finished.stdout))?;
    Ok(row.to_owned())
}

/// The words of a row, with the ports cut off the addresses.
fn words(row: &str) -> impl Iterator<Item = &str> {
    row.split_whitespace().map(|word| word.split(':').next().unwrap_or(word))
}

fn listening_port(line: &str) -> Result<u16> {
    let (_, address) = line.split_once("listening on ").context("no address")?;
    let address = address.split_whitespace().next().unwrap_or_default();
    let digits = address.rsplit(':').next().unwrap_or_default();
    let digits = digits.trim_end_matches(|end: char| !end.is_ascii_digit());
    digits.parse().with_context(|| format!("no port in {line:?}"))
}
