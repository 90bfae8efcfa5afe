//! The report of a forked child to its parent: the child is ready, or a step has failed. The report is one number,
//! because the child can allocate nothing.

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

use crate::identity::Identity;

/// The number that says that the child is ready. Any other number is a [`ChildFailure`].
pub(super) const READY: i32 = 0;

/// The step that failed in a child, and its errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChildFailure {
    pub(super) step: Step,
    pub(super) errno: Errno,
}

/// The steps of a child, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The setup of the child, or exec.
    Own,
    /// Becoming another user.
    Become,
    /// Checking that this user can read the payload.
    Payload,
    /// Checking that this user can execute the program.
    Program,
}

impl ChildFailure {
    /// The factor of the step in the number. Errnos are smaller, errno(3).
    const STEP: i32 = 1 << 16;

    /// The failure for an error in the child's setup or in exec.
    #[expect(clippy::needless_pass_by_value, reason = "a conversion for map_err")]
    pub(super) fn own(error: io::Error) -> Self {
        Self { step: Step::Own, errno: Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)) }
    }

    /// The number that the child sends.
    pub(super) fn encode(self) -> i32 {
        let step = match self.step {
            Step::Own => 0,
            Step::Become => 1,
            Step::Payload => 2,
            Step::Program => 3,
        };
        step * Self::STEP + self.errno as i32
    }

    /// The failure for a number that the parent received.
    pub(super) fn decode(number: i32) -> Self {
        let step = match number / Self::STEP {
            1 => Step::Become,
            2 => Step::Payload,
            3 => Step::Program,
            _ => Step::Own,
        };
        Self { step, errno: Errno::from_raw(number % Self::STEP) }
    }

    /// The error for the user, which says what went wrong.
    pub(super) fn into_error(self, identity: Option<&Identity>, payload: Option<&Path>) -> io::Error {
        let (user, why) = (identity.map_or("", Identity::name), self.errno.desc());
        match (self.step, payload) {
            (Step::Become, _) => io::Error::other(format!("cannot become user {user}: {why}")),
            (Step::Payload, Some(payload)) => io::Error::other(format!(
                "user {user} cannot read {}: {why}; give the slave a --work-dir that this user can enter",
                payload.display()
            )),
            (Step::Program, _) => io::Error::other(format!("user {user} cannot execute it: {why}")),
            _ => self.errno.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_round_trip() {
        for step in [Step::Own, Step::Become, Step::Payload, Step::Program] {
            let failure = ChildFailure { step, errno: Errno::EACCES };
            assert_eq!(ChildFailure::decode(failure.encode()), failure);
            assert_ne!(failure.encode(), READY);
        }
        assert_eq!(ChildFailure::decode(Errno::ENOENT as i32), ChildFailure { step: Step::Own, errno: Errno::ENOENT });
    }
}
