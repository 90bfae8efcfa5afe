//! A program under test as a child process: its output can be waited for, and it does not outlive the test.

mod output;
mod spawner;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use self::output::{Output, Stream, lock};

/// Time limit of every wait. It is far longer than any awaited event takes, so an event that misses the limit will
/// never come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Time limit for the end of the output after the end of the process. A process left behind can hold the output open.
const GRACE: Duration = Duration::from_secs(10);

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A child under test. Dropping it kills it; the kernel kills it when the test process is gone, however that ended.
///
/// One gap remains: a test process that is killed in the millisecond between the fork and `setpriv` leaves its child.
/// And this holds for the child, not for what it starts: have something that becomes a daemon run in a pid namespace,
/// `unshare --pid --fork --kill-child -- sh -c 'PROGRAM; exec sleep infinity'`, which ends with the child.
#[derive(Debug)]
pub struct Process {
    command: String,
    pid: Pid,
    child: Mutex<Child>,
    output: Arc<Output>,
}

/// The exit status and the output of an ended process.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit status.
    pub status: ExitStatus,
    /// The whole standard output.
    pub stdout: String,
    /// The whole standard error.
    pub stderr: String,
}

impl Finished {
    /// The exit code, or none if a signal killed the process.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

impl Process {
    /// Starts the command with no input and its output collected; any thread may call this.
    ///
    /// Program, arguments, environment and work directory of the command count, not its stdio or `env_clear`.
    /// A program that cannot be executed ends with 127 and says so on stderr, as in a shell.
    ///
    /// # Errors
    ///
    /// If no process can be made.
    pub fn spawn(command: impl Borrow<Command>) -> Result<Self> {
        let command = command.borrow();
        let name = format!("{command:?}");
        let mut child = spawner::spawn(command).with_context(|| name.clone())?;
        Ok(Self {
            pid: Pid::from_raw(child.id().try_into()?),
            output: Output::of(&mut child)?,
            child: Mutex::new(child),
            command: name,
        })
    }

    /// The process id of the program itself; wait for its first words before relying on it being that already.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The pids of the process's children, with zombies.
    ///
    /// # Errors
    ///
    /// If there is no `/proc`.
    pub fn children(&self) -> Result<Vec<String>> {
        let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(pids.filter(|pid| parent(pid) == Some(self.pid)).collect())
    }

    /// The value in kB of a field of `/proc/PID/status`, such as `VmHWM`.
    ///
    /// # Errors
    ///
    /// If there is no such field, or the process has ended.
    pub fn status_kilobytes(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
        Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?)
    }

    /// Sends the process a signal.
    ///
    /// # Errors
    ///
    /// If the process has already ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // Only the holder of this lock can reap the child, so no other process can get the pid meanwhile.
        let mut child = lock(&self.child);
        let ended = child.try_wait()?;
        ensure!(ended.is_none(), "{signal} came too late for {}", self.story());
        kill(self.pid, signal).with_context(|| format!("{signal} to {}", self.command))
    }

    /// Whether the process has not yet ended.
    pub fn is_running(&self) -> bool {
        matches!(lock(&self.child).try_wait(), Ok(None))
    }

    /// Waits for the first line of output, of either stream, that contains the needle.
    ///
    /// # Errors
    ///
    /// As soon as the output has ended without it, or after [`PATIENCE`].
    pub fn wait_for(&self, needle: &str) -> Result<String> {
        let mut lines = self.wait_for_count(needle, 1)?;
        Ok(lines.remove(0))
    }

    /// Waits until `count` lines of output contain the needle, and returns the first that many.
    ///
    /// # Errors
    ///
    /// As soon as the output has ended without them, or after [`PATIENCE`].
    pub fn wait_for_count(&self, needle: &str, count: usize) -> Result<Vec<String>> {
        let Some(lines) = self.output.wait_for_lines(needle, count, PATIENCE) else {
            let why = if self.output.has_ended() { "ended" } else { "went on for a minute" };
            bail!("the output {why} without {count} lines with {needle:?}, of {}", self.story());
        };
        Ok(lines)
    }

    /// Waits until the process ends.
    ///
    /// # Errors
    ///
    /// After [`PATIENCE`].
    pub fn wait(&self) -> Result<Finished> {
        let ended = || lock(&self.child).try_wait().transpose();
        let status = eventually("the end of the process", ended).with_context(|| self.story())??;
        self.output.wait_for_end(GRACE);
        Ok(Finished {
            status,
            stdout: self.output.text(|stream| stream == Stream::Stdout),
            stderr: self.output.text(|stream| stream == Stream::Stderr),
        })
    }

    /// All output so far, of both streams, line by line as it came.
    pub fn output_so_far(&self) -> String {
        self.output.text(|_| true)
    }

    fn story(&self) -> String {
        format!("{}\nwith the output so far:\n{}", self.command, self.output_so_far())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        // Both calls fail only if the child has already been reaped.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn parent(pid: &str) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok().map(Pid::from_raw)
}

/// Repeats a system call that a stop of this process has interrupted.
///
/// # Errors
///
/// The errors of the call.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Polls for a condition that has no notification, such as a new file.
///
/// # Errors
///
/// After [`PATIENCE`], with the name of the condition.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        thread::sleep(POLL_INTERVAL);
    }
}
