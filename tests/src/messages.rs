//! Messages of the master that tests use as a condition. A check that expects the message keeps each constant true.

/// The master orders the start again, because a confirmation came too late.
pub const POSTPONED: &str = "not all slaves confirmed the start in time";
