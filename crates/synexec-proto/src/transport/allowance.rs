//! The messages that a master allows its slave to send.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The messages that a master allows its slave to send, shared between the master's reader and writer. Extend it before
/// asking the slave.
#[derive(Debug, Clone, Default)]
pub struct Allowance(Arc<AllowedMessages>);

#[derive(Debug, Default)]
struct AllowedMessages {
    long_messages: AtomicBool,
    /// Answers still to come.
    answers: AtomicU32,
}

impl Allowance {
    /// Makes the reader keep the data of long messages from now on.
    pub fn allow_long_messages(&self) {
        self.0.long_messages.store(true, Ordering::Release);
    }

    /// Allows this number of answers in addition.
    pub fn expect_answers(&self, answers: u32) {
        let add = |left: u32| Some(left.saturating_add(answers));
        let _ = self.0.answers.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }

    pub(super) fn has_long_messages(&self) -> bool {
        self.0.long_messages.load(Ordering::Acquire)
    }

    /// Uses up one expected answer. Returns false if no answer is expected.
    pub(super) fn take_answer(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.0.answers.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
    }
}
