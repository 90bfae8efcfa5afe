//! Exit statuses. Scripts depend on them: a meaning is never changed.

use std::process::ExitCode;

use synexec_session::interrupt::Interrupt;
use synexec_session::master::Verdict;

/// How a program ends, each with a number of its own.
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
    /// 5: a slave, or for a slave its master, was lost.
    Lost,
    /// 6: the starts were further apart than the user allows.
    SkewExceeded,
    /// 7: this host's own network or files failed.
    Host,
    /// 130 for SIGINT, 143 for SIGTERM, as shells have it.
    Interrupted(Interrupt),
    /// A task's own status, from a slave that serves one session.
    Task(u8),
}

impl ExitStatus {
    /// The number.
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

impl From<Verdict> for ExitStatus {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Succeeded => Self::Success,
            Verdict::TaskFailed => Self::TaskFailed,
            Verdict::NotEnoughSlaves => Self::NotEnoughSlaves,
            Verdict::Declined => Self::Declined,
            Verdict::Lost => Self::Lost,
            Verdict::SkewExceeded => Self::SkewExceeded,
            Verdict::MasterFailed => Self::Host,
            Verdict::Interrupted(interrupt) => Self::Interrupted(interrupt),
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}
