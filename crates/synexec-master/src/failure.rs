//! Why the program ended without a report, and the exit status that follows.

use std::io;

use synexec_host::daemon::DaemonError;
use synexec_host::events::ThreadsGone;
use synexec_host::exit::ExitStatus;
use synexec_host::key_file::KeyFileError;
use synexec_host::port;
use synexec_proto::variables::VariablesError;
use thiserror::Error;

use crate::conf_file::{ConfFileError, ConfProblem};
use crate::discovery::TargetError;
use crate::name_pattern::PatternError;
use crate::options::QuorumError;
use crate::outputs::OutputDirError;
use crate::report::ReportFileError;

/// Everything that can end the program early.
#[derive(Debug, Error)]
pub enum Failure {
    /// The conf cannot be used.
    #[error(transparent)]
    Conf(#[from] ConfFileError),
    /// The key file cannot be used or written.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// `--quorum` asks for more slaves than take part.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// The variables of `--env` cannot be sent.
    #[error("--env: {0}")]
    Variables(#[from] VariablesError),
    /// A host of `--target` has no address.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A pattern of `--expect` or `--exclude` is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The directory for outputs cannot be used.
    #[error(transparent)]
    OutputDir(#[from] OutputDirError),
    /// A report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportFileError),
    /// The program cannot move into the background.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The dispatcher is left without threads.
    #[error(transparent)]
    ThreadsGone(#[from] ThreadsGone),
    /// The action of a signal cannot be set.
    #[error("cannot set up signals: {0}")]
    SetUpSignals(#[source] io::Error),
    /// Signals cannot be blocked.
    #[error("cannot block signals: {0}")]
    BlockSignals(#[source] io::Error),
    /// The open descriptors cannot be listed.
    #[error("cannot list the open descriptors: {0}; /proc may not be mounted")]
    Descriptors(#[source] io::Error),
    /// The TCP port is not free, or not allowed.
    #[error("cannot listen on TCP port {port}: {why}{}", port::advice(*.port, .why))]
    Listen {
        /// The port.
        port: u16,
        /// Error of the system call.
        why: io::Error,
    },
    /// The system cannot start another thread.
    #[error("cannot start a thread: {0}")]
    StartThread(#[source] io::Error),
    /// The kernel gives no random numbers.
    #[error("the kernel gives no random numbers: {0}")]
    RandomNumbers(#[source] io::Error),
    /// A text cannot be written to stdout.
    #[error("cannot write to stdout: {0}")]
    Stdout(#[source] io::Error),
    /// The results of the session cannot be written to stdout.
    #[error("cannot write the results to stdout: {0}")]
    Results(#[source] io::Error),
}

impl Failure {
    /// The exit status: the user asked for something impossible (2), or this host failed (7).
    pub fn status(&self) -> ExitStatus {
        match self {
            Self::Conf(error) => match error.problem() {
                ConfProblem::Io(_)
                | ConfProblem::Directory
                | ConfProblem::Empty
                | ConfProblem::TooLong
                | ConfProblem::Grammar(_) => ExitStatus::Usage,
            },
            Self::Pattern(PatternError::Bracket(_) | PatternError::Range(_) | PatternError::TooMany)
            | Self::KeyFile(KeyFileError { .. })
            | Self::Quorum(QuorumError { .. })
            | Self::Variables(VariablesError::TooMany(_) | VariablesError::TooLong(_))
            | Self::Target(TargetError::LookUp { .. } | TargetError::NoIpv4(_))
            | Self::OutputDir(OutputDirError::Unusable { .. } | OutputDirError::Occupied { .. })
            | Self::Report(ReportFileError::Open { .. } | ReportFileError::Twice(_)) => ExitStatus::Usage,
            Self::Report(ReportFileError::Write { .. })
            | Self::Daemon(
                DaemonError::Log { .. }
                | DaemonError::Fork(_)
                | DaemonError::Pipe(_)
                | DaemonError::Block(_)
                | DaemonError::EndedEarly,
            )
            | Self::ThreadsGone(ThreadsGone)
            | Self::SetUpSignals(_)
            | Self::BlockSignals(_)
            | Self::Descriptors(_)
            | Self::Listen { .. }
            | Self::StartThread(_)
            | Self::RandomNumbers(_)
            | Self::Stdout(_)
            | Self::Results(_) => ExitStatus::Host,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use synexec_host::key_file;
    use synexec_proto::message::CONF_MAX;

    use super::*;
    use crate::conf_file::ConfFile;
    use crate::name_pattern::unfold;
    use crate::options::Options;
    use crate::outputs::Store;
    use crate::report::ReportFiles;

    fn io_error() -> io::Error {
        io::ErrorKind::PermissionDenied.into()
    }

    fn conf(content: &[u8], length: u64) -> Failure {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file.as_file().set_len(length).unwrap();
        ConfFile::open(file.path()).unwrap_err().into()
    }

    fn report_file(why: fn(std::path::PathBuf, io::Error) -> ReportFileError) -> Failure {
        why("report".into(), io_error()).into()
    }

    fn options(arguments: &[&str]) -> Options {
        clap::Parser::parse_from([&["synexec_master", "1", "conf"], arguments].concat())
    }

    #[test]
    fn a_user_who_asks_for_the_impossible_gets_2() {
        let quorum = options(&["--wait", "1", "--quorum", "2"]);
        let too_long = format!("--env=A={}", "x".repeat(60_000));
        let nowhere = Path::new("/dev/null/x");
        for failure in [
            ConfFile::open(nowhere).unwrap_err().into(),
            ConfFile::open(Path::new("/")).unwrap_err().into(),
            conf(b"", 0),
            conf(b"", CONF_MAX + 1),
            conf(b"echo without a path\n", 20),
            key_file::read(nowhere).unwrap_err().into(),
            quorum.check_quorum().unwrap_err().into(),
            options(&[&too_long]).variables().unwrap_err().into(),
            TargetError::LookUp { target: "web1".into(), why: io_error() }.into(),
            TargetError::NoIpv4("web1".into()).into(),
            unfold("web[1").unwrap_err().into(),
            unfold("web[b]").unwrap_err().into(),
            unfold("web[1-999999999]").unwrap_err().into(),
            Store::open(nowhere, 1, false).unwrap_err().into(),
            OutputDirError::Occupied { path: "out".into(), example: "0-web1.out".into() }.into(),
            ReportFiles::open(Some(nowhere), None, None).unwrap_err().into(),
            report_file(|path, _| ReportFileError::Twice(path)),
        ] as [Failure; 17]
        {
            assert_eq!(failure.status(), ExitStatus::Usage, "{failure}");
        }
    }

    #[test]
    fn a_failure_of_this_host_gets_7() {
        for failure in [
            report_file(|path, why| ReportFileError::Write { path, why }),
            DaemonError::Log { path: "log".into(), why: io_error() }.into(),
            DaemonError::Pipe(io_error()).into(),
            DaemonError::EndedEarly.into(),
            ThreadsGone.into(),
            Failure::SetUpSignals(io_error()),
            Failure::BlockSignals(io_error()),
            Failure::Descriptors(io_error()),
            DaemonError::Block(nix::Error::EINVAL).into(),
            Failure::Listen { port: 5165, why: io_error() },
            Failure::StartThread(io_error()),
            Failure::RandomNumbers(io_error()),
            Failure::Stdout(io_error()),
            Failure::Results(io_error()),
        ] {
            assert_eq!(failure.status(), ExitStatus::Host, "{failure}");
        }
    }
}
