//! Exit statuses. Scripts depend on them, so a status never changes its meaning.

use std::process::ExitCode;

use synexec_session::interrupt::Interrupt;

/// How a program ends. Each way has its own number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: every task exited 0.
    Success,
    /// 1: a task failed.
    TaskFailed,
    /// 2: the command line or the conf is wrong.
    Usage,
    /// 3: not enough slaves joined in time.
    NotEnoughSlaves,
    /// 4: a slave declined.
    Declined,
    /// 5: the master lost a slave, or the slave lost its master.
    Lost,
    /// 6: the starts were further apart than the user allows.
    SkewExceeded,
    /// 7: this host's own network or files failed.
    Host,
    /// 130 after SIGINT and 143 after SIGTERM, as in a shell.
    Interrupted(Interrupt),
    /// The task's own exit status, from a slave that serves one session.
    Task(u8),
}

impl ExitStatus {
    /// The number that the program exits with.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::TaskFailed => 1,
            Self::Usage => 2,
            Self::NotEnoughSlaves => 3,
            Self::Declined => 4,
            Self::Lost => 5,
            Self::SkewExceeded => 6,
            Self::Host => 7,
            Self::Interrupted(Interrupt::Interrupt) => 130,
            Self::Interrupted(Interrupt::Terminate) => 143,
            Self::Task(status) => status,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}
