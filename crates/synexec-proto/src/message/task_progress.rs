//! Data on RUNNING and STOPPED, where progress is agreed. Fields: 1 time since the start, 2 CPU time of the task's session
//! (u64 nanoseconds both), 3 its resident memory, 4 its output (u64 bytes both).

use std::time::Duration;

use crate::wire::{FieldError, FieldReader, FieldWriter};

const ELAPSED: u16 = 1;
const CPU: u16 = 2;
const MEMORY: u16 = 3;
const OUTPUT: u16 = 4;

/// How far a task is that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskProgress {
    /// Time since it was let go.
    pub elapsed: Duration,
    /// Time that its processes had a core.
    pub cpu: Duration,
    /// Resident memory of its processes, in bytes.
    pub memory: u64,
    /// What it has written, in bytes.
    pub output: u64,
}

impl TaskProgress {
    /// The message's data.
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::default()
            .put_duration(ELAPSED, self.elapsed)
            .put_duration(CPU, self.cpu)
            .put_u64(MEMORY, self.memory)
            .put_u64(OUTPUT, self.output)
            .finish()
    }

    /// Reads the message's data.
    ///
    /// # Errors
    /// [`FieldError`] when a field is missing or cannot be read.
    pub fn decode(data: &[u8]) -> Result<Self, FieldError> {
        let fields = FieldReader(data);
        let duration = |tag| fields.u64(tag).map(Duration::from_nanos);
        Ok(Self {
            elapsed: duration(ELAPSED)?,
            cpu: duration(CPU)?,
            memory: fields.u64(MEMORY)?,
            output: fields.u64(OUTPUT)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let progress =
            TaskProgress { elapsed: Duration::from_nanos(1), cpu: Duration::from_nanos(2), memory: 3, output: 256 };
        let bytes = [
            &[0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1][..],
            &[0, 2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2],
            &[0, 3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3],
            &[0, 4, 0, 8, 0, 0, 0, 0, 0, 0, 1, 0],
        ]
        .concat();
        assert_eq!(progress.encode(), bytes);
        assert_eq!(TaskProgress::decode(&bytes), Ok(progress));
        assert_eq!(TaskProgress::decode(&bytes[..36]), Err(FieldError::Missing(OUTPUT)));
    }
}
