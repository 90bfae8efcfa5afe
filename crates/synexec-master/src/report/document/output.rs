//! The streams of a task, and what was fetched of them.

use serde::Serialize;
use synexec_proto::message::TaskStream;

/// A stream of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamName {
    /// The output.
    Output,
    /// Standard error, if it is separate.
    Errors,
}

impl From<TaskStream> for StreamName {
    fn from(stream: TaskStream) -> Self {
        match stream {
            TaskStream::Output => Self::Output,
            TaskStream::Errors => Self::Errors,
        }
    }
}

/// A fetched output.
#[derive(Debug, Clone, Serialize)]
pub struct OutputReport {
    /// How much of the output was fetched.
    pub state: OutputState,
    /// Size of the whole output in bytes, as the slave reported it.
    pub bytes: Option<u64>,
    /// BLAKE3 digest of the whole output, if all of it was fetched.
    pub blake3: Option<String>,
    /// The file that contains the output, or the first bytes of a cut output.
    pub file: Option<String>,
    /// Why the output could not be fetched, or was cut.
    pub why: Option<String>,
    /// The same path as `output_path` of the slave.
    pub kept_at: Option<String>,
    /// End of the output, if the user asked for a page and the end was fetched.
    pub tail: Option<String>,
}

/// How much of an output was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputState {
    /// All of it, into a file.
    Stored,
    /// All of it, but into no file that remains.
    Fetched,
    /// Only its first bytes, because it is longer than the user wants.
    Cut,
    /// Only its end, which the page shows.
    Tail,
    /// Nothing, because of an error.
    Failed,
    /// Nothing, because an original slave does not send its output.
    Unavailable,
}
