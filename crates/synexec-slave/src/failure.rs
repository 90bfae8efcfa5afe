//! Why the program ended before it could serve a master, and the exit status that follows.

use std::io;

use synexec_host::daemon::DaemonError;
use synexec_host::events::ThreadsGone;
use synexec_host::exit::ExitStatus;
use synexec_host::identity::IdentityError;
use synexec_host::key_file::KeyFileError;
use synexec_host::port;
use thiserror::Error;

use crate::work_dir::WorkDirError;

/// Everything that can end the program early.
#[derive(Debug, Error)]
pub enum Failure {
    /// `--port` is 0.
    #[error("--port must not be 0")]
    PortZero,
    /// The key file cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Tasks cannot run as the user of `--user`.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The work dir cannot be used.
    #[error(transparent)]
    WorkDir(#[from] WorkDirError),
    /// The program cannot go to the background.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The dispatcher is left without threads.
    #[error(transparent)]
    ThreadsGone(#[from] ThreadsGone),
    /// The UDP port is not free, or not allowed.
    #[error("cannot listen for probes on UDP port {port}: {why}{}", port::advice(*.port, .why))]
    Listen {
        /// The port.
        port: u16,
        /// Error of the system call.
        why: io::Error,
    },
    /// The action of a signal cannot be set.
    #[error("cannot set up signals: {0}")]
    SetUpSignals(#[source] io::Error),
    /// Signals cannot be blocked.
    #[error("cannot block signals: {0}")]
    BlockSignals(#[source] io::Error),
    /// The open descriptors cannot be listed or kept from tasks.
    #[error("cannot list the open descriptors: {0}; /proc may not be mounted")]
    Descriptors(#[source] io::Error),
    /// The process that outlives the slave to end its tasks cannot be started.
    #[error("cannot start the process that ends the tasks of a killed slave: {0}")]
    StartKeeper(#[source] io::Error),
    /// The kernel does not make this process the parent of orphans.
    #[error("cannot become the parent of the processes that tasks leave: {0}")]
    AdoptOrphans(#[source] io::Error),
    /// The system cannot start another thread.
    #[error("cannot start a thread: {0}")]
    StartThread(#[source] io::Error),
}

impl Failure {
    /// The exit status: the user asked for something impossible (2), or this host failed (7).
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::PortZero
            | Self::KeyFile(KeyFileError { .. })
            | Self::Identity(IdentityError::Unknown(_) | IdentityError::NotRoot)
            | Self::WorkDir(
                WorkDirError::Unusable { .. }
                | WorkDirError::InUse(_)
                | WorkDirError::Replaceable { .. }
                | WorkDirError::Lock(_),
            ) => ExitStatus::Usage,
            Self::Identity(IdentityError::Lookup { .. })
            | Self::Daemon(
                DaemonError::Log { .. }
                | DaemonError::Fork(_)
                | DaemonError::Pipe(_)
                | DaemonError::Block(_)
                | DaemonError::EndedEarly,
            )
            | Self::ThreadsGone(ThreadsGone)
            | Self::Listen { .. }
            | Self::SetUpSignals(_)
            | Self::BlockSignals(_)
            | Self::Descriptors(_)
            | Self::StartKeeper(_)
            | Self::AdoptOrphans(_)
            | Self::StartThread(_) => ExitStatus::Host,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use nix::errno::Errno;
    use synexec_host::files::FileError;
    use synexec_host::key_file;

    use super::*;

    fn io_error() -> io::Error {
        Errno::EACCES.into()
    }

    fn path() -> PathBuf {
        "/some/where".into()
    }

    #[test]
    fn a_wish_that_cannot_be_granted_is_a_usage_error() {
        let replaceable = WorkDirError::Replaceable { path: path(), above: path(), user: "nobody".into() };
        let failures: [Failure; 8] = [
            Failure::PortZero,
            key_file::read(Path::new("/no/such/key")).err().unwrap().into(),
            IdentityError::Unknown("nobody9".into()).into(),
            IdentityError::NotRoot.into(),
            WorkDirError::Unusable { path: path(), why: io_error() }.into(),
            WorkDirError::InUse(path()).into(),
            replaceable.into(),
            WorkDirError::Lock(FileError { path: path(), why: io_error() }.into()).into(),
        ];
        for failure in failures {
            assert_eq!(failure.status(), ExitStatus::Usage, "{failure}");
        }
    }

    #[test]
    fn a_failure_of_this_host_has_its_own_status() {
        let failures: [Failure; 13] = [
            IdentityError::Lookup { user: "nobody".into(), why: Errno::EACCES }.into(),
            DaemonError::Log { path: path(), why: io_error() }.into(),
            DaemonError::Pipe(io_error()).into(),
            DaemonError::Block(Errno::EINVAL).into(),
            DaemonError::EndedEarly.into(),
            ThreadsGone.into(),
            Failure::Listen { port: 5165, why: io_error() },
            Failure::SetUpSignals(io_error()),
            Failure::BlockSignals(io_error()),
            Failure::Descriptors(io_error()),
            Failure::StartKeeper(io_error()),
            Failure::AdoptOrphans(io_error()),
            Failure::StartThread(io_error()),
        ];
        for failure in failures {
            assert_eq!(failure.status(), ExitStatus::Host, "{failure}");
        }
    }

    #[test]
    fn the_message_gives_the_error_of_the_system_call_and_then_advice() {
        let message = Failure::Listen { port: 7, why: io_error() }.to_string();
        assert!(message.starts_with("cannot listen for probes on UDP port 7: Permission denied"), "{message}");
        assert!(message.ends_with("; only root may use a port below 1024; choose another with --port"), "{message}");
    }
}
