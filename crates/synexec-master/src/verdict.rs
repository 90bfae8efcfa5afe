//! What follows from the verdict of a session.

use synexec_host::exit::ExitStatus;
use synexec_session::master::Verdict;

/// The exit status of the master.
pub fn exit_status(verdict: Verdict) -> ExitStatus {
    match verdict {
        Verdict::Succeeded => ExitStatus::Success,
        Verdict::TaskFailed => ExitStatus::TaskFailed,
        Verdict::NotEnoughSlaves => ExitStatus::NotEnoughSlaves,
        Verdict::Declined => ExitStatus::Declined,
        Verdict::Lost => ExitStatus::Lost,
        Verdict::SkewExceeded => ExitStatus::SkewExceeded,
        Verdict::MasterFailed => ExitStatus::Host,
        Verdict::Interrupted(interrupt) => ExitStatus::Interrupted(interrupt),
    }
}

/// The verdict as reports write it.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::TaskFailed => "task_failed",
        Verdict::SkewExceeded => "skew_exceeded",
        Verdict::NotEnoughSlaves => "not_enough_slaves",
        Verdict::Declined => "declined",
        Verdict::Lost => "lost",
        Verdict::MasterFailed => "master_failed",
        Verdict::Interrupted(_) => "interrupted",
    }
}

#[cfg(test)]
mod tests {
    use synexec_session::interrupt::Interrupt;

    use super::*;

    #[test]
    fn every_verdict_has_its_exit_status() {
        for (verdict, code) in [
            (Verdict::Succeeded, 0),
            (Verdict::TaskFailed, 1),
            (Verdict::NotEnoughSlaves, 3),
            (Verdict::Declined, 4),
            (Verdict::Lost, 5),
            (Verdict::SkewExceeded, 6),
            (Verdict::MasterFailed, 7),
            (Verdict::Interrupted(Interrupt::Interrupt), 130),
            (Verdict::Interrupted(Interrupt::Terminate), 143),
        ] {
            assert_eq!(exit_status(verdict).code(), code, "{verdict:?}");
        }
    }
}
