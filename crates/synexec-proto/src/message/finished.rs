//! FINISHD, as protocol version 1 has it: three times of day, each as seconds and microseconds (i64, little-endian);
//! when the command started, when it finished, and zero.

use super::MessageError;
use crate::time::WallClockTime;

/// Bytes of a FINISHD's data.
pub const FINISHED_LEN: usize = 48;

/// When a command started and finished, by the clock of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedRecord {
    /// Start of the command.
    pub started: WallClockTime,
    /// End of the command.
    pub finished: WallClockTime,
}

impl FinishedRecord {
    /// The message's data.
    pub fn encode(&self) -> [u8; FINISHED_LEN] {
        let (started, started_micros) = self.started.seconds_and_micros();
        let (finished, finished_micros) = self.finished.seconds_and_micros();
        let mut bytes = [0; FINISHED_LEN];
        for (slot, number) in
            bytes.as_chunks_mut::<8>().0.iter_mut().zip([started, started_micros, finished, finished_micros])
        {
            *slot = number.to_le_bytes();
        }
        bytes
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`MessageError::FinishedLength`] when there are not just 48 bytes.
    pub fn decode(data: &[u8]) -> Result<Self, MessageError> {
        let bytes: &[u8; FINISHED_LEN] = data.try_into().map_err(|_| MessageError::FinishedLength(data.len()))?;
        let [started, started_micros, finished, finished_micros, ..] = numbers(bytes);
        Ok(Self {
            started: WallClockTime::from_seconds_and_micros(started, started_micros),
            finished: WallClockTime::from_seconds_and_micros(finished, finished_micros),
        })
    }
}

fn numbers(bytes: &[u8; FINISHED_LEN]) -> [i64; FINISHED_LEN / 8] {
    let mut numbers = [0; FINISHED_LEN / 8];
    for (number, chunk) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *number = i64::from_le_bytes(*chunk);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(record.encode(), RECORDED);
        assert_eq!(FinishedRecord::decode(&RECORDED), Ok(record));
    }

    #[test]
    fn any_other_length_is_an_error() {
        assert_eq!(FinishedRecord::decode(&RECORDED[..47]), Err(MessageError::FinishedLength(47)));
    }
}
