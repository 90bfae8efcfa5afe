//! `TASK_ENDED`: how and when a task ended, in both times of its host, and the circumstances of its run.

use std::time::Duration;

use super::{Guest, Usage};
use crate::task_end::TaskEnd;
use crate::text::printable_end;
use crate::time::{MonotonicInstant, WallClockTime};
use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError, SHORT_DATA_MAX};

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
const ERRORS_LENGTH: u16 = 14;
const ERRORS_PATH: u16 = 15;
const LAST_LINES: u16 = 16;
const OUTPUT_LOST: u16 = 17;
const CORES: u16 = 18;

/// Most bytes of the last lines of an output.
pub const LAST_LINES_MAX: usize = 1024;

/// Bytes of a field's tag and length.
const FIELD_HEAD: usize = 4;

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
    /// The task's standard error, where the slave stores it apart from the output.
    pub errors: Option<OutputPlace>,
    /// Whether the slave told the task to stop before the task ended.
    pub was_stopped: bool,
    /// The last lines of the output of a task that failed; safe to show on a terminal. Lines end with LF. The first line
    /// may be cut at its beginning.
    pub last_lines: Option<String>,
    /// Why the end of the output may be missing, where the slave could not store it; safe to show on a terminal.
    pub output_lost: Option<String>,
}

/// Where a slave stores a stream of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPlace {
    /// Length of the stream when the task ended, in bytes.
    pub length: u64,
    /// The path of the file on the slave's host; safe to show on a terminal.
    pub path: String,
}

impl TaskEnded {
    /// The same end in a message of which no receiver cuts off the end: paths that do not fit are left out.
    #[must_use]
    pub fn with_fitting_paths(self) -> Self {
        let without_path = |place: Option<OutputPlace>| {
            place.map(|OutputPlace { length, .. }| OutputPlace { length, path: String::new() })
        };
        let fits = |ended: &Self| ended.encode().len() <= SHORT_DATA_MAX;
        if fits(&self) {
            return self;
        }
        let shorter = Self { errors: without_path(self.errors), ..self };
        if fits(&shorter) { shorter } else { Self { output: without_path(shorter.output), ..shorter } }
    }

    /// The same end with the last lines of an output that ends with these bytes. The lines are as many bytes as fit into
    /// the message, at most [`LAST_LINES_MAX`].
    #[must_use]
    pub fn with_last_lines(self, end_of_output: &[u8]) -> Self {
        let other_fields = Self { last_lines: None, ..self };
        let room = SHORT_DATA_MAX.saturating_sub(other_fields.encode().len() + FIELD_HEAD);
        let last_lines = Some(printable_end(end_of_output, room.min(LAST_LINES_MAX)));
        Self { last_lines, ..other_fields }
    }
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
                fields.put_some(guest.clock_source.as_ref(), |fields, name| fields.put_text(CLOCK_SOURCE, name))
            })
            .put_some(self.output.as_ref(), |fields, OutputPlace { length, path }| {
                fields.put_integer(OUTPUT_LENGTH, *length).put_text(OUTPUT_PATH, path)
            })
            .put_if(self.was_stopped, STOPPED, &[])
            .put_some(self.errors.as_ref(), |fields, OutputPlace { length, path }| {
                fields.put_integer(ERRORS_LENGTH, *length).put_text(ERRORS_PATH, path)
            })
            .put_some(self.last_lines.as_ref(), |fields, text| fields.put(LAST_LINES, text.as_bytes()))
            .put_some(self.output_lost.as_ref(), |fields, why| fields.put_text(OUTPUT_LOST, why))
            .put_some(self.guest.as_ref().and_then(|guest| guest.cores), |fields, cores| {
                fields.put_integer(CORES, cores)
            })
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        let wall_clock = |tag| fields.integer(tag).map(WallClockTime::from_nanos);
        let monotonic = |tag| fields.integer(tag).map(MonotonicInstant::from_nanos);
        let cores = fields.optional_integer(CORES)?.filter(|cores| *cores > 0);
        let clock_source = fields.text(CLOCK_SOURCE)?;
        let place = |length, path| {
            let path = fields.text(path)?.unwrap_or_default();
            Ok(fields.optional_integer(length)?.map(|length| OutputPlace { length, path }))
        };
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
            output: place(OUTPUT_LENGTH, OUTPUT_PATH)?,
            errors: place(ERRORS_LENGTH, ERRORS_PATH)?,
            was_stopped: fields.find(STOPPED)?.is_some(),
            last_lines: fields.find(LAST_LINES)?.map(|text| printable_end(text, LAST_LINES_MAX)),
            output_lost: fields.text(OUTPUT_LOST)?,
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
    use crate::text::TEXT_MAX;
    use crate::wire::{Command, Frame};

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
            errors: None,
            was_stopped: false,
            last_lines: None,
            output_lost: None,
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
            errors: Some(OutputPlace { length: 9, path: "/e".into() }),
            was_stopped: true,
            last_lines: Some("a\nb".into()),
            output_lost: Some("no".into()),
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
            &[0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9],
            &[0, 15, 0, 2, b'/', b'e'],
            &[0, 16, 0, 3, b'a', b'\n', b'b'],
            &[0, 17, 0, 2, b'n', b'o'],
            &[0, 18, 0, 4, 0, 0, 0, 2],
        ]
        .concat();
        assert_eq!(all.encode(), bytes);
        assert_eq!(TaskEnded::decode(&bytes), Ok(all));
    }

    #[test]
    fn a_path_that_is_too_long_is_cut_and_the_end_of_the_task_counts() {
        let read = |bytes: &[u8], kept: usize| {
            let frame = Frame::cut(Command::TaskEnded, bytes[..kept].to_vec()).unwrap();
            TaskEnded::read(&FieldReader::of(&frame))
        };
        let fields = FieldWriter::after(required()).put_integer(OUTPUT_LENGTH, 8_u64).put(OUTPUT_PATH, &[b'o'; 10_000]);
        let bytes = fields.put(STOPPED, &[]).finish();
        let ended = ended(TaskEnd::Killed(9));
        let place = |path: &str| Some(OutputPlace { length: 8, path: path.into() });
        let long = TaskEnded { output: place(&"o".repeat(500)), was_stopped: true, ..ended.clone() };
        assert_eq!(TaskEnded::decode(&bytes), Ok(long.clone()));
        assert_eq!(read(&bytes, 4096), Ok(TaskEnded { was_stopped: false, ..long }));
        assert_eq!(read(&bytes, required().len() + 18), Ok(TaskEnded { output: place("oo"), ..ended }));
        assert_eq!(read(&bytes, required().len() - 1), Err(LayoutError::CutOff(END)));
    }

    #[test]
    fn the_last_lines_are_as_long_as_the_message_allows() {
        let end = || ended(TaskEnd::Exited(1)).with_last_lines(&[b'x'; 9000]);
        assert_eq!(end().last_lines.map(|lines| lines.len()), Some(LAST_LINES_MAX));
        let path = "\u{1d400}".repeat(TEXT_MAX);
        let output = Some(OutputPlace { length: 8, path: path.clone() });
        let long = TaskEnded { output, output_lost: Some(path), ..end() }.with_last_lines("äöü".repeat(900).as_bytes());
        assert!((SHORT_DATA_MAX - 1..=SHORT_DATA_MAX).contains(&long.encode().len()), "{}", long.encode().len());
        assert_eq!(TaskEnded::decode(&long.encode()), Ok(long));
    }

    #[test]
    fn a_path_that_does_not_fit_is_left_out() {
        let place = |length: usize| Some(OutputPlace { length: 8, path: "\u{1d400}".repeat(length) });
        let with = |output, errors| TaskEnded { output, errors, ..ended(TaskEnd::Exited(1)) }.with_fitting_paths();
        assert_eq!(with(place(TEXT_MAX), place(100)), TaskEnded { errors: place(100), ..with(place(TEXT_MAX), None) });
        let lost = TaskEnded { output_lost: Some("\u{1d400}".repeat(TEXT_MAX)), ..with(place(TEXT_MAX), place(100)) };
        assert_eq!(lost.clone().with_fitting_paths(), TaskEnded { errors: place(0), ..lost.clone() });
        let clock = Guest { clock_source: Some("c".repeat(100)), ..Guest::default() };
        let fitting = TaskEnded { guest: Some(clock), ..lost }.with_fitting_paths();
        assert_eq!((&fitting.output, &fitting.errors), (&place(0), &place(0)));
        assert!(fitting.encode().len() <= SHORT_DATA_MAX);
    }

    #[test]
    fn an_end_of_no_known_kind_is_an_error() {
        let mut bytes = required();
        let kind = 4 * 12 + 4;
        bytes[kind] = 7;
        assert_eq!(TaskEnded::decode(&bytes), Err(LayoutError::Value { tag: END, value: 7 }));
    }
}
