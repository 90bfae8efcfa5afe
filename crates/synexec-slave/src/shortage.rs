//! How much room a stream of a task needs, and why it has too little, in words for the user.

use std::io;
use std::path::{Path, PathBuf};

use synexec_proto::message::TaskStream;
use thiserror::Error;

use crate::streams::Streams;

/// Bytes that are reserved before the task starts, and again when half of them are used.
pub const ROOM: u64 = 1 << 20;

/// There is no room for a stream of a task before the task starts.
#[derive(Debug, Error)]
#[error("cannot reserve {} MiB for the {stream} of the task: {why}{}", ROOM >> 20, advice(*.stream, .last.as_deref()))]
pub struct NoRoom {
    /// The stream.
    pub stream: TaskStream,
    /// Error of the system.
    pub why: io::Error,
    /// The file of the last task, if its removal would make room.
    pub last: Option<PathBuf>,
}

fn advice(stream: TaskStream, last: Option<&Path>) -> String {
    last.map_or_else(String::new, |last| format!("; remove the {stream} of the last task, {}", last.display()))
}

/// Why the end of a stream may be missing. The stream could not grow at some time while its task ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// The file system has no block left.
    Disk,
    /// The owner of the file may not use more blocks.
    Quota,
    /// The file has the largest size that the task's limit allows.
    FileSize,
}

/// The shortages of a task; none if no stream had one. The text names the streams only if these are separate.
pub fn in_words(shortages: &Streams<Option<Shortage>>) -> Option<String> {
    let told: Vec<_> = match shortages {
        Streams { output, errors: None } => output.iter().map(|shortage| shortage.of_only_stream()).collect(),
        separate => {
            TaskStream::ALL.into_iter().filter_map(|stream| Some((*separate.get(stream)?)?.of_stream(stream))).collect()
        }
    };
    (!told.is_empty()).then(|| told.join("; "))
}

impl Shortage {
    fn of_only_stream(self) -> String {
        match self {
            Self::Disk => "the disk was full".to_owned(),
            Self::Quota => "the disk quota was used up".to_owned(),
            Self::FileSize => reached_limit("the output"),
        }
    }

    fn of_stream(self, stream: TaskStream) -> String {
        let stream = format!("the task's {stream}");
        match self {
            Self::Disk | Self::Quota => format!("{} for {stream}", self.of_only_stream()),
            Self::FileSize => reached_limit(&stream),
        }
    }
}

fn reached_limit(stream: &str) -> String {
    format!("{stream} reached the limit of file sizes (RLIMIT_FSIZE)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortages_name_their_streams_if_these_are_separate() {
        let said = |output, errors| in_words(&Streams { output, errors });
        let (disk, quota, size) = (Some(Shortage::Disk), Some(Shortage::Quota), Some(Shortage::FileSize));
        for (shortage, expected) in [
            (None, None),
            (disk, Some("the disk was full")),
            (quota, Some("the disk quota was used up")),
            (size, Some("the output reached the limit of file sizes (RLIMIT_FSIZE)")),
        ] {
            assert_eq!(said(shortage, None).as_deref(), expected);
        }
        for (output, errors, expected) in [
            (None, None, None),
            (disk, None, Some("the disk was full for the task's output")),
            (None, size, Some("the task's standard error reached the limit of file sizes (RLIMIT_FSIZE)")),
            (
                size,
                quota,
                Some(
                    "the task's output reached the limit of file sizes (RLIMIT_FSIZE); the disk quota was used up for \
                     the task's standard error",
                ),
            ),
        ] {
            assert_eq!(said(output, Some(errors)).as_deref(), expected);
        }
    }

    #[test]
    fn a_stream_without_room_is_named() {
        let (why, last) = (io::Error::other("full"), Some("/w/synexec.err".into()));
        let error = NoRoom { stream: TaskStream::Errors, why, last }.to_string();
        let expected = "cannot reserve 1 MiB for the standard error of the task: full; remove the standard error of the \
                        last task, /w/synexec.err";
        assert_eq!(error, expected);
    }
}
