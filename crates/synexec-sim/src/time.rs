//! Virtual time.

use std::time::Duration;

use synexec_proto::time::MonotonicInstant;

/// When the world begins; not zero, so that nothing can rely on that.
pub const START: MonotonicInstant = MonotonicInstant::from_nanos(1_000_000_000_000);

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
