//! The two streams that a task writes.

use std::fmt::{self, Display, Formatter};

/// A stream of a task. Unless the master asks for separate streams, both go to the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskStream {
    /// Standard output; also standard error, unless the streams are separate.
    #[default]
    Output,
    /// Standard error, if the streams are separate.
    Errors,
}

impl TaskStream {
    /// All streams.
    pub const ALL: [Self; 2] = [Self::Output, Self::Errors];
}

/// The stream in words, for texts.
impl Display for TaskStream {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Output => "output",
            Self::Errors => "standard error",
        })
    }
}
