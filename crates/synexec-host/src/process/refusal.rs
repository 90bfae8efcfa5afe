//! What a forked child tells its parent: that it is ready, or what it could not do. One number, since nothing can be
//! allocated there.

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

use crate::identity::Identity;

/// What a child tells when it is ready; anything else is a [`Refusal`].
pub(super) const READY: i32 = 0;

/// The step that failed in a child, and its errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) step: Step,
    pub(super) errno: Errno,
}

/// The steps of a child, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The child's own setup, and exec.
    Itself,
    /// Becoming another user.
    Become,
    /// Checking that this user can read the payload.
    Payload,
    /// Checking that this user can execute the program.
    Program,
}

impl Refusal {
    /// Errnos are below 4096, errno(3).
    const STEP: i32 = 1 << 16;

    #[expect(clippy::needless_pass_by_value, reason = "it is mapped over")]
    pub(super) fn itself(error: io::Error) -> Self {
        Self { step: Step::Itself, errno: Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)) }
    }

    /// The number that the child sends.
    pub(super) fn news(self) -> i32 {
        let step = match self.step {
            Step::Itself => 0,
            Step::Become => 1,
            Step::Payload => 2,
            Step::Program => 3,
        };
        step * Self::STEP + self.errno as i32
    }

    /// The refusal for a number that the parent received.
    pub(super) fn of(news: i32) -> Self {
        let step = match news / Self::STEP {
            1 => Step::Become,
            2 => Step::Payload,
            3 => Step::Program,
            _ => Step::Itself,
        };
        Self { step, errno: Errno::from_raw(news % Self::STEP) }
    }

    /// The error for the user, which says what went wrong.
    pub(super) fn why(self, identity: Option<&Identity>, payload: Option<&Path>) -> io::Error {
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
    fn a_refusal_is_heard_as_it_was_told() {
        for step in [Step::Itself, Step::Become, Step::Payload, Step::Program] {
            let refusal = Refusal { step, errno: Errno::EACCES };
            assert_eq!(Refusal::of(refusal.news()), refusal);
            assert_ne!(refusal.news(), READY);
        }
        assert_eq!(Refusal::of(Errno::ENOENT as i32), Refusal { step: Step::Itself, errno: Errno::ENOENT });
    }
}
