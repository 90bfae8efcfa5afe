//! Virtual time.

use std::time::Duration;

use synexec_proto::time::MonotonicInstant;

/// The instant at which the world begins. It is not zero, so that no code relies on zero.
pub const START: MonotonicInstant = MonotonicInstant::from_nanos(1_000_000_000_000);

/// This many seconds.
#[must_use]
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// This many milliseconds.
#[must_use]
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
