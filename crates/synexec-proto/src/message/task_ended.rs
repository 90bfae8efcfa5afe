//! `TASK_ENDED`: how and when the task ended, on both clocks of the slave. Fields: 1 and 2 start and finish in
//! wall-clock time (i64 nanoseconds since 1970), 3 and 4 start and finish as monotonic instants (u64 nanoseconds),
//! 5 how it ended (u8: 0 exited, 1 killed; u8: status or signal).

use crate::outcome::TaskEnd;
use crate::time::{MonotonicInstant, WallClockTime};
use crate::wire::{FieldError, FieldReader, FieldWriter};

const STARTED: u16 = 1;
const FINISHED: u16 = 2;
const STARTED_MONOTONIC: u16 = 3;
const FINISHED_MONOTONIC: u16 = 4;
const END: u16 = 5;

const EXITED: u8 = 0;
const KILLED: u8 = 1;

/// The life of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskEnded {
    /// Start, by the slave's wall clock.
    pub started: WallClockTime,
    /// Finish, by the slave's wall clock.
    pub finished: WallClockTime,
    /// Start, on the slave's monotonic clock.
    pub started_at: MonotonicInstant,
    /// Finish, on the slave's monotonic clock.
    pub finished_at: MonotonicInstant,
    /// How it ended.
    pub end: TaskEnd,
}

impl TaskEnded {
    /// The message's data.
    pub fn encode(&self) -> Vec<u8> {
        let end = match self.end {
            TaskEnd::Exited(status) => [EXITED, status],
            TaskEnd::Killed(signal) => [KILLED, signal],
        };
        FieldWriter::default()
            .put(STARTED, &self.started.as_nanos().to_be_bytes())
            .put(FINISHED, &self.finished.as_nanos().to_be_bytes())
            .put(STARTED_MONOTONIC, &self.started_at.as_nanos().to_be_bytes())
            .put(FINISHED_MONOTONIC, &self.finished_at.as_nanos().to_be_bytes())
            .put(END, &end)
            .finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when a field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        let fields = FieldReader(data);
        let wall_clock = |tag| fields.array(tag).map(i64::from_be_bytes).map(WallClockTime::from_nanos);
        let monotonic = |tag| fields.array(tag).map(u64::from_be_bytes).map(MonotonicInstant::from_nanos);
        Ok(Self {
            started: wall_clock(STARTED)?,
            finished: wall_clock(FINISHED)?,
            started_at: monotonic(STARTED_MONOTONIC)?,
            finished_at: monotonic(FINISHED_MONOTONIC)?,
            end: match fields.array(END)? {
                [EXITED, status] => TaskEnd::Exited(status),
                [KILLED, signal] => TaskEnd::Killed(signal),
                [kind, _] => {
                    return Err(FieldError::Value { tag: END, value: kind });
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let ended = TaskEnded {
            started: WallClockTime::from_nanos(1),
            finished: WallClockTime::from_nanos(-2),
            started_at: MonotonicInstant::from_nanos(3),
            finished_at: MonotonicInstant::from_nanos(4),
            end: TaskEnd::Killed(9),
        };
        let bytes = [
            &[0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1][..],
            &[0, 2, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254],
            &[0, 3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3],
            &[0, 4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 4],
            &[0, 5, 0, 2, 1, 9],
        ]
        .concat();
        assert_eq!(ended.encode(), bytes);
        assert_eq!(TaskEnded::decode(&bytes), Ok(ended));
    }

    #[test]
    fn an_end_of_no_known_kind_is_an_error() {
        let ended = TaskEnded {
            started: WallClockTime::from_nanos(0),
            finished: WallClockTime::from_nanos(0),
            started_at: MonotonicInstant::from_nanos(0),
            finished_at: MonotonicInstant::from_nanos(0),
            end: TaskEnd::Exited(0),
        };
        let mut bytes = ended.encode();
        let kind = bytes.len() - 2;
        bytes[kind] = 7;
        assert_eq!(TaskEnded::decode(&bytes), Err(FieldError::Value { tag: END, value: 7 }));
    }
}
