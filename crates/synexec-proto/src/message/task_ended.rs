//! `TASK_ENDED`: how and when the task ended, on both clocks of the slave. Fields: 1 and 2 start and finish in
//! wall-clock time (i64 nanoseconds since 1970), 3 and 4 start and finish as monotonic instants (u64 nanoseconds),
//! 5 how it ended (u8: 0 exited, 1 killed; u8: status or signal), 6 how far the start can be from what 1 and 3 say,
//! either way, which is not there for a task that ended before its first instruction, 7 how long after the ordered instant the task was released (u64 nanoseconds both; 7 only where there was
//! one).

use std::time::Duration;

use crate::outcome::TaskEnd;
use crate::time::{MonotonicInstant, WallClockTime};
use crate::wire::{FieldError, FieldReader, FieldWriter};

const STARTED: u16 = 1;
const FINISHED: u16 = 2;
const STARTED_MONOTONIC: u16 = 3;
const FINISHED_MONOTONIC: u16 = 4;
const END: u16 = 5;
const START_UNCERTAINTY: u16 = 6;
const LATENESS: u16 = 7;

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
    /// How far the true start can be from the one told, either way; none where it ended before its first instruction.
    pub start_uncertainty: Option<Duration>,
    /// How long after the ordered instant it was released; none where it was ordered to start at once.
    pub lateness: Option<Duration>,
}

impl TaskEnded {
    /// The message's data.
    pub fn encode(&self) -> Vec<u8> {
        let end = match self.end {
            TaskEnd::Exited(status) => [EXITED, status],
            TaskEnd::Killed(signal) => [KILLED, signal],
        };
        let writer = FieldWriter::default()
            .put(STARTED, &self.started.as_nanos().to_be_bytes())
            .put(FINISHED, &self.finished.as_nanos().to_be_bytes())
            .put(STARTED_MONOTONIC, &self.started_at.as_nanos().to_be_bytes())
            .put(FINISHED_MONOTONIC, &self.finished_at.as_nanos().to_be_bytes())
            .put(END, &end);
        let optional = [(START_UNCERTAINTY, self.start_uncertainty), (LATENESS, self.lateness)];
        let there = optional.into_iter().filter_map(|(tag, time)| Some((tag, nanos(time?))));
        there.fold(writer, |writer, (tag, time)| writer.put(tag, &time)).finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when a field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        let fields = FieldReader(data);
        let wall_clock = |tag| fields.array(tag).map(i64::from_be_bytes).map(WallClockTime::from_nanos);
        let monotonic = |tag| fields.array(tag).map(u64::from_be_bytes).map(MonotonicInstant::from_nanos);
        let duration = |tag| -> Result<Option<Duration>, FieldError> {
            Ok(fields.optional_array(tag)?.map(u64::from_be_bytes).map(Duration::from_nanos))
        };
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
            start_uncertainty: duration(START_UNCERTAINTY)?,
            lateness: duration(LATENESS)?,
        })
    }
}

fn nanos(duration: Duration) -> [u8; 8] {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).to_be_bytes()
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
            start_uncertainty: Some(Duration::from_nanos(5)),
            lateness: Some(Duration::from_nanos(6)),
        };
        let bytes = [
            &[0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1][..],
            &[0, 2, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254],
            &[0, 3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3],
            &[0, 4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 4],
            &[0, 5, 0, 2, 1, 9],
            &[0, 6, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5],
            &[0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 0, 6],
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
            start_uncertainty: None,
            lateness: None,
        };
        let mut bytes = ended.encode();
        let kind = 4 * 12 + 4;
        bytes[kind] = 7;
        assert_eq!(TaskEnded::decode(&bytes), Err(FieldError::Value { tag: END, value: 7 }));
    }
}
