//! How a task ended.

use std::fmt;

/// How the first process of a task ended, as wait(2) reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// The process exited with this status.
    Exited(u8),
    /// This signal killed the process.
    Killed(u8),
}

impl TaskEnd {
    /// The status that a shell reports for such an end: the exit status, or 128 plus the number of the signal.
    pub fn shell_status(self) -> u8 {
        match self {
            Self::Exited(status) => status,
            Self::Killed(signal) => signal.saturating_add(128),
        }
    }
}

impl fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited {status}"),
            Self::Killed(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "killed by {name}"),
                None => write!(f, "killed by signal {signal}"),
            },
        }
    }
}

/// The signals of Linux from 1, signal(7). Their numbers are the same on all architectures for which this project is
/// built, and part of the kernel's interface.
const SIGNALS: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The name of a signal; none for a real-time signal, and for a number that is no signal.
fn signal_name(signal: u8) -> Option<&'static str> {
    SIGNALS.get(usize::from(signal).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_told_by_its_name() {
        for (signal, text) in [
            (1, "killed by SIGHUP"),
            (9, "killed by SIGKILL"),
            (15, "killed by SIGTERM"),
            (31, "killed by SIGSYS"),
            (0, "killed by signal 0"),
            (35, "killed by signal 35"),
        ] {
            assert_eq!(TaskEnd::Killed(signal).to_string(), text);
        }
    }
}
