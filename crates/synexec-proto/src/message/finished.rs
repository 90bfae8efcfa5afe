//! FINISHD: when the task started and finished, as protocol version 1 reports it.

use super::data::MessageData;
use crate::time::WallClockTime;
use crate::wire::{Frame, LayoutError, i64s_from_little_endian, i64s_to_little_endian};

/// Bytes of the data: three times, each in seconds and microseconds; the third is zero.
pub const FINISHED_LEN: usize = 48;

/// When a task started and finished, by the wall clock of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedRecord {
    /// Start of the task.
    pub started: WallClockTime,
    /// End of the task.
    pub finished: WallClockTime,
}

impl MessageData for FinishedRecord {
    fn to_data(&self) -> Vec<u8> {
        let (started, started_micros) = self.started.seconds_and_micros();
        let (finished, finished_micros) = self.finished.seconds_and_micros();
        i64s_to_little_endian(&[started, started_micros, finished, finished_micros, 0, 0])
    }

    fn from_frame(frame: Frame) -> Result<Self, LayoutError> {
        let data = frame.data();
        if frame.is_cut() {
            return Err(LayoutError::TooLong);
        }
        if data.len() != FINISHED_LEN {
            return Err(LayoutError::DataLength { length: data.len(), expected: FINISHED_LEN });
        }
        let [started, started_micros, finished, finished_micros] = i64s_from_little_endian(data);
        Ok(Self {
            started: WallClockTime::from_seconds_and_micros(started, started_micros),
            finished: WallClockTime::from_seconds_and_micros(finished, finished_micros),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Command;

    fn frame(data: &[u8]) -> Frame {
        Frame::new(Command::Finished, data.to_vec()).unwrap()
    }

    /// From a recorded session of the original programs.
    const RECORDED: [u8; FINISHED_LEN] = [
        0x01, 0x88, 0x04, 0x6b, 0, 0, 0, 0, 0xbe, 0x85, 0x02, 0, 0, 0, 0, 0, 0x02, 0x88, 0x04, 0x6b, 0, 0, 0, 0, 0xe2,
        0xa1, 0x05, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn golden_bytes() {
        let record = FinishedRecord {
            started: WallClockTime::from_seconds_and_micros(0x6b04_8801, 165_310),
            finished: WallClockTime::from_seconds_and_micros(0x6b04_8802, 369_122),
        };
        assert_eq!(record.to_data(), RECORDED);
        assert_eq!(FinishedRecord::from_frame(frame(&RECORDED)), Ok(record));
    }

    #[test]
    fn any_other_length_is_an_error() {
        let expected = LayoutError::DataLength { length: 47, expected: 48 };
        assert_eq!(FinishedRecord::from_frame(frame(&RECORDED[..47])), Err(expected));
        let cut = Frame::cut(Command::Finished, RECORDED.to_vec()).unwrap();
        assert_eq!(FinishedRecord::from_frame(cut), Err(LayoutError::TooLong));
    }
}
