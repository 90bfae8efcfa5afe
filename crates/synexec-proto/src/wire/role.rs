//! The two sides of a session.

/// A side of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The program that invites slaves and has them start their tasks.
    Master,
    /// The program that runs one task for a master.
    Slave,
}
