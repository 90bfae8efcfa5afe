//! How a user asks a program to end.

/// How the user asks a program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
}
