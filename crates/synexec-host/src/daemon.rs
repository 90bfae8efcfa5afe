//! Moving the program into the background as a daemon.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use daemonize::{Daemonize, Outcome};
use nix::sys::stat::{Mode, umask};
use thiserror::Error;

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
    /// The process in the background ended before it was ready.
    #[error("the process in the background ended at once; see its log file")]
    EndedEarly,
}

/// The default path of a daemon's log file: `/var/log/PROGRAM.log` for root, otherwise `$XDG_STATE_HOME/PROGRAM.log` or
/// `~/.local/state/PROGRAM.log`.
pub fn default_log_file(program: &str) -> PathBuf {
    let state = || std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    let directory =
        if nix::unistd::geteuid().is_root() { None } else { state().or_else(home) }.unwrap_or("/var/log".into());
    directory.join(format!("{program}.log"))
}

/// Opens a log file for appending. A new file is readable and writable for its owner only; missing directories are
/// made.
///
/// # Errors
/// [`DaemonError::Log`] when the file cannot be opened.
pub fn open_log(path: &Path) -> Result<File, DaemonError> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        // If this fails, opening the file fails too, with a better message.
        let _ = std::fs::create_dir_all(directory);
    }
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map_err(|why| DaemonError::Log { path: path.to_owned(), why })
}

/// Continues in a background process, whose directory is `/` and whose stdout and stderr go to the log file. The
/// foreground process prints the pid of the background process and exits without running destructors. Call this before
/// the first thread is started.
///
/// # Errors
/// This process cannot fork or open a pipe, or the background process ends before it is ready. The error is returned in
/// the process that failed: the foreground or the background process.
pub fn into_background(log: &File) -> Result<(), DaemonError> {
    let (from_background, to_foreground) = io::pipe().map_err(DaemonError::Pipe)?;
    let current_umask = umask(Mode::empty());
    umask(current_umask);
    let log = || log.try_clone().map_err(DaemonError::Pipe);
    let daemon = Daemonize::new().umask(current_umask.bits()).stdout(log()?).stderr(log()?);
    match daemon.execute() {
        Outcome::Parent(forked) => {
            forked.map_err(DaemonError::Fork)?;
            drop(to_foreground);
            print_pid(from_background)?;
            std::process::exit(0);
        }
        Outcome::Child(settled) => {
            settled.map_err(DaemonError::Fork)?;
            announce(to_foreground).map_err(DaemonError::Pipe)
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
