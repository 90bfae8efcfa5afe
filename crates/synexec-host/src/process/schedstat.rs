//! The scheduling counts of a process's first thread, in `/proc/PID/schedstat`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::unistd::Pid;

/// The scheduling counts of a thread. All are zero if the kernel does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SchedCounts {
    /// Time for which the thread had a core.
    pub(super) ran: Duration,
    /// Time for which the thread was ready and had no core.
    pub(super) waited: Duration,
    /// Number of times that the thread got a core.
    pub(super) runs: u64,
}

/// The open file of a process. Reading an open file is fast.
#[derive(Debug)]
pub(super) struct Schedstat(File);

impl Schedstat {
    /// Opens the file of a process; none if there is no such file.
    pub(super) fn open(pid: Pid) -> Option<Self> {
        File::open(format!("/proc/{pid}/schedstat")).ok().map(Self)
    }

    /// The present counts; none when the process has been reaped.
    pub(super) fn read(&self) -> Option<SchedCounts> {
        let mut text = [0; 128];
        let length = self.0.read_at(&mut text, 0).ok()?;
        SchedCounts::parse(std::str::from_utf8(text.get(..length)?).ok()?)
    }
}

impl SchedCounts {
    /// The difference from earlier counts.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(before.ran),
            waited: self.waited.saturating_sub(before.waited),
            runs: self.runs.saturating_sub(before.runs),
        }
    }

    /// Parses three numbers: nanoseconds on a core, nanoseconds of waiting for a core, and how many times the thread
    /// got a core.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse);
        let (ran, waited, runs) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let [ran, waited] = [ran.ok()?, waited.ok()?].map(Duration::from_nanos);
        Some(Self { ran, waited, runs: runs.ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read() {
        let counts = SchedCounts { ran: Duration::from_nanos(340_545), waited: Duration::from_nanos(17), runs: 3 };
        assert_eq!(SchedCounts::parse("340545 17 3\n"), Some(counts));
        assert_eq!(SchedCounts::parse("340545"), None);
        assert_eq!(SchedCounts::parse("a b c"), None);
        let before = SchedCounts { runs: 2, ..SchedCounts::default() };
        assert_eq!(counts.since(before), SchedCounts { runs: 1, ..counts });
    }

    #[test]
    fn a_process_that_lives_has_run() {
        assert!(Schedstat::open(nix::unistd::getpid()).unwrap().read().unwrap().runs > 0);
    }
}
