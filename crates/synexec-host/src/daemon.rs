//! Going to the background.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use daemonize::{Daemonize, Outcome};
use nix::sys::stat::{Mode, umask};
use thiserror::Error;

/// Why a program could not go to the background.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The log file cannot be written.
    #[error("cannot write the log file {path}: {why}; choose another with --log-file", path = .path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The system calls failed.
    #[error("cannot go to the background: {0}")]
    Fork(daemonize::Error),
    /// The two halves could not talk.
    #[error("cannot talk to the process in the background: {0}")]
    Pipe(io::Error),
    /// The process in the background is gone already.
    #[error("the process in the background has ended at once; see its log file")]
    EndedEarly,
}

/// Where a daemon's output goes unless its user says otherwise: `/var/log/PROGRAM.log` for root, else
/// `$XDG_STATE_HOME/PROGRAM.log` or `~/.local/state/PROGRAM.log`.
pub fn default_log_file(program: &str) -> PathBuf {
    let state = || std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    let directory =
        if nix::unistd::geteuid().is_root() { None } else { state().or_else(home) }.unwrap_or("/var/log".into());
    directory.join(format!("{program}.log"))
}

/// Opens the log file at its end, only for its owner to read.
///
/// # Errors
/// [`DaemonError::Log`].
pub fn open_log(path: &Path) -> Result<File, DaemonError> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        // Where this fails, opening the file says it better.
        let _ = std::fs::create_dir_all(directory);
    }
    let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    opened.map_err(|why| DaemonError::Log { path: path.to_owned(), why })
}

/// Goes on in the background, in `/`, with stdout and stderr in the log file. The process in the foreground prints
/// the other's pid and exits; no destructor of the caller runs in it. To be called before the first thread is started.
///
/// # Errors
/// [`DaemonError`], in the foreground or in the background, whichever failed.
pub fn into_background(log: &File) -> Result<(), DaemonError> {
    let (from_background, to_foreground) = io::pipe().map_err(DaemonError::Pipe)?;
    let kept = umask(Mode::empty());
    umask(kept);
    let log = || log.try_clone().map_err(DaemonError::Pipe);
    let daemon = Daemonize::new().umask(kept.bits()).stdout(log()?).stderr(log()?);
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
