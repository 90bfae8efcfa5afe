//! Why a slave with a key does not answer a probe.

use thiserror::Error;

/// Why a slave does not answer a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum WrongProbe {
    /// The probe has no signature.
    #[error("the probe is not signed with a key")]
    Unsigned,
    /// The probe is signed with another key.
    #[error("the probe is signed with another key")]
    OtherKey,
    /// The slave has accepted the same probe before.
    #[error("the probe repeats an earlier probe")]
    Repeated,
    /// The master's wall clock and the slave's differ by more than any two time zones.
    #[error("the clock of the probe's sender is {hours} h off; set one of the clocks")]
    AnotherTime {
        /// The difference, in whole hours.
        hours: u64,
    },
}
