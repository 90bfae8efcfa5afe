//! Moving the program into the background as a daemon.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use daemonize::{Daemonize, Outcome};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stderr, dup2_stdout};
use thiserror::Error;

use crate::descriptors::Inherited;

/// Why a program could not move into the background.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The log file cannot be opened for writing.
    #[error("cannot write the log file {path}: {why}; choose another with --log-file", path = .path.display())]
    Log {
        /// The path of the log file.
        path: PathBuf,
        /// The error of the system call.
        why: io::Error,
    },
    /// A system call of the daemon's setup, such as fork, failed.
    #[error("cannot go into the background: {0}")]
    Fork(daemonize::Error),
    /// The pipe or descriptors between the foreground and the background process failed.
    #[error("cannot communicate with the process in the background: {0}")]
    Pipe(io::Error),
    /// The background process cannot block a signal.
    #[error("cannot block SIGHUP: {0}")]
    Block(nix::Error),
    /// The process in the background ended before it was ready.
    #[error("the process in the background ended at once; see its log file")]
    EndedEarly,
}

/// The default path of a daemon's log file: `/var/log/PROGRAM.log` for root, otherwise `$XDG_STATE_HOME/PROGRAM.log` or
/// `~/.local/state/PROGRAM.log`.
pub(crate) fn default_log_file(program: &str) -> PathBuf {
    let state = || std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    let directory =
        if nix::unistd::geteuid().is_root() { None } else { state().or_else(home) }.unwrap_or("/var/log".into());
    directory.join(format!("{program}.log"))
}

/// The log file of a daemon, which can be opened anew after another program has renamed the file.
#[derive(Debug)]
pub struct LogFile(PathBuf);

impl LogFile {
    /// Opens the log file for appending. A new file is readable and writable for its owner only; missing directories
    /// are made.
    fn open(&self) -> Result<File, DaemonError> {
        if let Some(directory) = self.0.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            // If this fails, opening the file fails too, with a better message.
            let _ = std::fs::create_dir_all(directory);
        }
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.0);
        opened.map_err(|why| DaemonError::Log { path: self.0.clone(), why })
    }

    /// Opens the file at the path anew, and lets stdout and stderr go there. If this fails, both stay as they are.
    ///
    /// # Errors
    /// [`DaemonError::Log`]: the file cannot be opened.
    pub fn reopen(&self) -> Result<(), DaemonError> {
        let log = self.open()?;
        let redirected = dup2_stdout(&log).and_then(|()| dup2_stderr(&log));
        redirected.map_err(|errno| DaemonError::Log { path: self.0.clone(), why: errno.into() })
    }
}

/// Continues in a background process, whose directory is `/` and whose stdout and stderr go to the log file at this
/// absolute path. The background process closes the descriptors that the program was started with. The foreground
/// process prints the pid of the background process and exits without running destructors. Call this before the first
/// thread is started, and [`crate::signals::block`] next with the log file, because SIGHUP stays pending until then.
///
/// # Errors
/// The log file cannot be opened, this process cannot fork or open a pipe, or the background process ends before it is
/// ready. The error is returned in the process that failed: the foreground or the background process.
pub fn into_background(log: PathBuf, inherited: Inherited) -> Result<LogFile, DaemonError> {
    let log = LogFile(log);
    let file = log.open()?;
    let (from_background, to_foreground) = io::pipe().map_err(DaemonError::Pipe)?;
    let current_umask = umask(Mode::empty());
    umask(current_umask);
    let output = || file.try_clone().map_err(DaemonError::Pipe);
    let daemon = Daemonize::new().umask(current_umask.bits()).stdout(output()?).stderr(output()?);
    match daemon.execute() {
        Outcome::Parent(forked) => {
            forked.map_err(DaemonError::Fork)?;
            drop(to_foreground);
            print_pid(from_background)?;
            std::process::exit(0);
        }
        Outcome::Child(settled) => {
            settled.map_err(DaemonError::Fork)?;
            inherited.close();
            SigSet::from_iter([Signal::SIGHUP]).thread_block().map_err(DaemonError::Block)?;
            announce(to_foreground).map_err(DaemonError::Pipe)?;
            Ok(log)
        }
    }
}

fn announce(mut to_foreground: PipeWriter) -> io::Result<()> {
    writeln!(to_foreground, "{}", std::process::id())
}

fn print_pid(mut from_background: PipeReader) -> Result<(), DaemonError> {
    let mut pid = String::new();
    from_background.read_to_string(&mut pid).map_err(DaemonError::Pipe)?;
    if pid.is_empty() {
        return Err(DaemonError::EndedEarly);
    }
    io::stdout().write_all(pid.as_bytes()).map_err(DaemonError::Pipe)
}
