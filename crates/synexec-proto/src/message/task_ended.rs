//! `TASK_ENDED`: how and when a task ended, in both times of its host, and the circumstances of its run.

use std::time::Duration;

use super::{Guest, Usage};
use crate::task_end::TaskEnd;
use crate::text::printable;
use crate::time::{MonotonicInstant, WallClockTime};
use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

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
const CORES: u16 = 18;

const EXITED: u8 = 0;
const KILLED: u8 = 1;

/// The end of a task, and its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEnded {
    /// Start, on the slave's wall clock.
    pub started: WallClockTime,
    /// Finish, on the slave's wall clock.
    pub finished: WallClockTime,
    /// Start, on the slave's monotonic clock.
    pub started_at: MonotonicInstant,
    /// Finish, on the slave's monotonic clock.
    pub finished_at: MonotonicInstant,
    /// How the task ended.
    pub end: TaskEnd,
    /// How far the true start can be from the reported one, either way; none for a task that ended before its first
    /// instruction.
    pub start_uncertainty: Option<Duration>,
    /// Time from the ordered instant to the release of the task; none for a start at once.
    pub lateness: Option<Duration>,
    /// The resources that the task used.
    pub usage: Option<Usage>,
    /// Events on the slave's host while the task ran.
    pub guest: Option<Guest>,
    /// The task's output, where the slave stores it.
    pub output: Option<OutputPlace>,
    /// Whether the slave told the task to stop before the task ended.
    pub was_stopped: bool,
}

/// Where a slave stores the output of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPlace {
    /// Length of the output when the task ended, in bytes.
    pub length: u64,
    /// The path of the file on the slave's host; safe to show on a terminal.
    pub path: String,
}

impl Fields for TaskEnded {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        fields
            .put_integer(STARTED, self.started.as_nanos())
            .put_integer(FINISHED, self.finished.as_nanos())
            .put_integer(STARTED_MONOTONIC, self.started_at.as_nanos())
            .put_integer(FINISHED_MONOTONIC, self.finished_at.as_nanos())
            .put(END, &encode_end(self.end))
            .put_some(self.start_uncertainty, |fields, time| fields.put_duration(START_UNCERTAINTY, time))
            .put_some(self.lateness, |fields, time| fields.put_duration(LATENESS, time))
            .put_some(self.usage, |fields, usage| fields.put(USAGE, &usage.encode()))
            .put_some(self.guest.as_ref(), |fields, guest| {
                let fields = fields.put(GUEST, &guest.encode());
                fields.put_some(guest.clock_source.as_ref(), |fields, name| fields.put(CLOCK_SOURCE, name.as_bytes()))
            })
            .put_some(self.output.as_ref(), |fields, OutputPlace { length, path }| {
                fields.put_integer(OUTPUT_LENGTH, *length).put(OUTPUT_PATH, path.as_bytes())
            })
            .put_if(self.was_stopped, STOPPED, &[])
            .put_some(self.guest.as_ref().and_then(|guest| guest.cores), |fields, cores| {
                fields.put_integer(CORES, cores)
            })
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        let wall_clock = |tag| fields.integer(tag).map(WallClockTime::from_nanos);
        let monotonic = |tag| fields.integer(tag).map(MonotonicInstant::from_nanos);
        let text = |tag| -> Result<Option<String>, LayoutError> { Ok(fields.find(tag)?.map(printable)) };
        let (clock_source, cores) = (text(CLOCK_SOURCE)?, fields.optional_integer(CORES)?.filter(|cores| *cores > 0));
        let path = text(OUTPUT_PATH)?.unwrap_or_default();
        Ok(Self {
            started: wall_clock(STARTED)?,
            finished: wall_clock(FINISHED)?,
            started_at: monotonic(STARTED_MONOTONIC)?,
            finished_at: monotonic(FINISHED_MONOTONIC)?,
            end: decode_end(fields.array(END)?)?,
            start_uncertainty: fields.optional_duration(START_UNCERTAINTY)?,
            lateness: fields.optional_duration(LATENESS)?,
            usage: fields.optional_array(USAGE)?.map(|bytes| Usage::decode(&bytes)),
            guest: fields.optional_array(GUEST)?.map(|bytes| Guest::decode(&bytes, clock_source, cores)),
            output: fields.optional_integer(OUTPUT_LENGTH)?.map(|length| OutputPlace { length, path }),
            was_stopped: fields.find(STOPPED)?.is_some(),
        })
    }
}

fn encode_end(end: TaskEnd) -> [u8; 2] {
    match end {
        TaskEnd::Exited(status) => [EXITED, status],
        TaskEnd::Killed(signal) => [KILLED, signal],
    }
}

fn decode_end(bytes: [u8; 2]) -> Result<TaskEnd, LayoutError> {
    match bytes {
        [EXITED, status] => Ok(TaskEnd::Exited(status)),
        [KILLED, signal] => Ok(TaskEnd::Killed(signal)),
        [kind, _] => Err(LayoutError::Value { tag: END, value: kind }),
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
            guest: Some(Guest { clock_step: -1, clock_source: Some("tsc".into()), cores: Some(2), ..Guest::default() }),
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
            &[0, 18, 0, 4, 0, 0, 0, 2],
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
        assert_eq!(TaskEnded::decode(&bytes), Err(LayoutError::Value { tag: END, value: 7 }));
    }
}
