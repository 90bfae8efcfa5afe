//! The error of a test that needs something which this machine does not have.

/// Something that a test needs and this machine lacks. The test is then ignored, or fails if `SYNEXEC_LAB` is
/// `require`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub &'static str);
