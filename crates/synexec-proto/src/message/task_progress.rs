//! RUNNING and STOPPED: the progress of a task.

use std::time::Duration;

use crate::wire::{FieldReader, FieldWriter, Fields, LayoutError};

const ELAPSED: u16 = 1;
const CPU: u16 = 2;
const MEMORY: u16 = 3;
const OUTPUT: u16 = 4;

/// The progress of a running task. Its processes are those of the task's session (setsid(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskProgress {
    /// Time since the task was released.
    pub elapsed: Duration,
    /// CPU time of the task's processes.
    pub cpu: Duration,
    /// Resident memory of the task's processes, in bytes.
    pub memory: u64,
    /// Length of the task's output, in bytes.
    pub output: u64,
}

impl Fields for TaskProgress {
    fn write(&self, fields: FieldWriter) -> FieldWriter {
        fields
            .put_duration(ELAPSED, self.elapsed)
            .put_duration(CPU, self.cpu)
            .put_integer(MEMORY, self.memory)
            .put_integer(OUTPUT, self.output)
    }

    fn read(fields: &FieldReader<'_>) -> Result<Self, LayoutError> {
        Ok(Self {
            elapsed: fields.duration(ELAPSED)?,
            cpu: fields.duration(CPU)?,
            memory: fields.integer(MEMORY)?,
            output: fields.integer(OUTPUT)?,
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
        assert_eq!(TaskProgress::decode(&bytes[..36]), Err(LayoutError::Missing(OUTPUT)));
    }
}
