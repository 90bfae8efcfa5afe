//! `TASK_ENDED`: how and when the task ended, on both clocks of the slave, and what is known of the run. Fields: 1 and 2
//! start and finish in wall-clock time (i64 nanoseconds since 1970), 3 and 4 start and finish as monotonic instants (u64
//! nanoseconds), 5 how it ended (u8: 0 exited, 1 killed; u8: status or signal), 6 how far the start can be from what 1
//! and 3 say, either way, which is not there for a task that ended before its first instruction, 7 how long after the
//! ordered instant the task was released (u64 nanoseconds both; 7 only where there was one), 8 what it used, 9 and 10
//! what happened to its host meanwhile (see [`Usage`] and [`Guest`]), 11 the length of its output (u64 bytes), 12 the
//! output's path, 13 that it was told to stop before it had ended (no bytes).

use std::time::Duration;

use super::{Guest, Usage};
use crate::outcome::TaskEnd;
use crate::text::printable;
use crate::time::{MonotonicInstant, WallClockTime};
use crate::wire::{FieldError, FieldReader, FieldWriter};

const STARTED: u16 = 1;
const FINISHED: u16 = 2;
const STARTED_MONOTONIC: u16 = 3;
const FINISHED_MONOTONIC: u16 = 4;
const END: u16 = 5;
const START_UNCERTAINTY: u16 = 6;
const LATENESS: u16 = 7;
const USAGE: u16 = 8;
const GUEST: u16 = 9;
const CLOCK_SOURCE: u16 = 10;
const OUTPUT_LENGTH: u16 = 11;
const OUTPUT_PATH: u16 = 12;
const STOPPED: u16 = 13;

const EXITED: u8 = 0;
const KILLED: u8 = 1;

/// The life of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// What it used.
    pub usage: Option<Usage>,
    /// What happened to its host meanwhile.
    pub guest: Option<Guest>,
    /// What it wrote.
    pub output: Option<OutputPlace>,
    /// Whether it was told to stop before it had ended.
    pub was_stopped: bool,
}

/// Where a task's output is, on its slave's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPlace {
    /// Bytes of it when the task had ended.
    pub length: u64,
    /// The file; safe to show.
    pub path: String,
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
            .put_u64(STARTED_MONOTONIC, self.started_at.as_nanos())
            .put_u64(FINISHED_MONOTONIC, self.finished_at.as_nanos())
            .put(END, &end)
            .put_some(self.start_uncertainty, |writer, time| writer.put_duration(START_UNCERTAINTY, time))
            .put_some(self.lateness, |writer, time| writer.put_duration(LATENESS, time))
            .put_some(self.usage, |writer, usage| writer.put(USAGE, &usage.encode()))
            .put_some(self.guest.as_ref(), |writer, guest| {
                let writer = writer.put(GUEST, &guest.encode());
                writer.put_some(guest.clock_source.as_ref(), |writer, name| writer.put(CLOCK_SOURCE, name.as_bytes()))
            })
            .put_some(self.output.as_ref(), |writer, OutputPlace { length, path }| {
                writer.put_u64(OUTPUT_LENGTH, *length).put(OUTPUT_PATH, path.as_bytes())
            })
            .put_some(self.was_stopped.then_some(()), |writer, ()| writer.put(STOPPED, &[]))
            .finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when a field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        let fields = FieldReader(data);
        let wall_clock = |tag| fields.array(tag).map(i64::from_be_bytes).map(WallClockTime::from_nanos);
        let monotonic = |tag| fields.u64(tag).map(MonotonicInstant::from_nanos);
        let text = |tag| -> Result<Option<String>, FieldError> { Ok(fields.find(tag)?.map(printable)) };
        let clock_source = text(CLOCK_SOURCE)?;
        let path = text(OUTPUT_PATH)?.unwrap_or_default();
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
            start_uncertainty: fields.optional_duration(START_UNCERTAINTY)?,
            lateness: fields.optional_duration(LATENESS)?,
            usage: fields.optional_array(USAGE)?.map(|bytes| Usage::decode(&bytes)),
            guest: fields.optional_array(GUEST)?.map(|bytes| Guest::decode(&bytes, clock_source)),
            output: fields.optional_u64(OUTPUT_LENGTH)?.map(|length| OutputPlace { length, path }),
            was_stopped: fields.find(STOPPED)?.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(end: TaskEnd) -> TaskEnded {
        TaskEnded {
            started: WallClockTime::from_nanos(1),
            finished: WallClockTime::from_nanos(-2),
            started_at: MonotonicInstant::from_nanos(3),
            finished_at: MonotonicInstant::from_nanos(4),
            end,
            start_uncertainty: None,
            lateness: None,
            usage: None,
            guest: None,
            output: None,
            was_stopped: false,
        }
    }

    /// The fields that are always there.
    fn required() -> Vec<u8> {
        [
            &[0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1][..],
            &[0, 2, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254],
            &[0, 3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3],
            &[0, 4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 4],
            &[0, 5, 0, 2, 1, 9],
        ]
        .concat()
    }

    #[test]
    fn golden_bytes() {
        let start = ended(TaskEnd::Killed(9));
        assert_eq!(start.encode(), required());
        assert_eq!(TaskEnded::decode(&required()), Ok(start.clone()));
        let all = TaskEnded {
            start_uncertainty: Some(Duration::from_nanos(5)),
            lateness: Some(Duration::from_nanos(6)),
            usage: Some(Usage { peak_memory: 7, ..Usage::default() }),
            guest: Some(Guest { clock_step: -1, clock_source: Some("tsc".into()), ..Guest::default() }),
            output: Some(OutputPlace { length: 8, path: "/o".into() }),
            was_stopped: true,
            ..start
        };
        let bytes = [
            &required()[..],
            &[0, 6, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5],
            &[0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 0, 6],
            &[0, 8, 0, 40],
            &[0; 23],
            &[7],
            &[0; 16],
            &[0, 9, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 10, 0, 3, b't', b's', b'c'],
            &[0, 11, 0, 8, 0, 0, 0, 0, 0, 0, 0, 8],
            &[0, 12, 0, 2, b'/', b'o'],
            &[0, 13, 0, 0],
        ]
        .concat();
        assert_eq!(all.encode(), bytes);
        assert_eq!(TaskEnded::decode(&bytes), Ok(all));
    }

    #[test]
    fn an_end_of_no_known_kind_is_an_error() {
        let mut bytes = required();
        let kind = 4 * 12 + 4;
        bytes[kind] = 7;
        assert_eq!(TaskEnded::decode(&bytes), Err(FieldError::Value { tag: END, value: 7 }));
    }
}
