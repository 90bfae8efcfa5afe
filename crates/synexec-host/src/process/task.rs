//! A task that was released.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use synexec_proto::message::Usage;
use synexec_proto::task_end::TaskEnd;

use super::children::OwnChild;
use super::group::ProcessGroup;
use super::syscalls::{self, Change};

/// A task that was released. Its first process stays a zombie until [`Task::reap`], so that the kernel cannot reuse the
/// id of its process group.
#[derive(Debug)]
pub struct Task {
    child: OwnChild,
    /// The descriptor of the first process; none if the kernel has no pidfd.
    pidfd: Option<OwnedFd>,
}

impl Task {
    pub(super) fn new(child: OwnChild) -> Self {
        Self { pidfd: syscalls::pidfd_open(child.pid()).ok(), child }
    }

    /// The process group, to signal the task while another thread waits.
    pub fn group(&self) -> ProcessGroup {
        ProcessGroup(self.child.pid())
    }

    /// Waits until the first process has ended, and leaves it as a zombie.
    ///
    /// # Errors
    /// The process cannot be waited for, as when it was reaped already.
    pub fn wait(&self) -> io::Result<()> {
        loop {
            match waitid(Id::Pid(self.child.pid()), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
                // nix returns EINVAL for a process that a real-time signal has killed.
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::EINVAL) => return Ok(()),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits as [`Task::wait`] does, and calls `look` again and again at this interval. Without a pidfd, it does not call
    /// `look`.
    ///
    /// # Errors
    /// Those of [`Task::wait`].
    pub fn wait_with_looks(&self, interval: Duration, mut look: impl FnMut()) -> io::Result<()> {
        while self.pidfd.is_some() && !self.wait_for(interval) {
            look();
        }
        self.wait()
    }

    /// Waits until the first process has ended, at most for `time`. Returns whether the process has ended; without a
    /// pidfd, waits for the whole `time` and returns false.
    pub fn wait_for(&self, time: Duration) -> bool {
        let Some(pidfd) = &self.pidfd else {
            std::thread::sleep(time);
            return false;
        };
        let mut ends = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        ppoll(&mut ends, Some(TimeSpec::from_duration(time)), None).is_ok_and(|ready| ready > 0)
    }

    /// Reaps the first process, and returns how the process ended. Waits for its end first.
    ///
    /// # Errors
    /// The process cannot be waited for, as when it was reaped already.
    pub fn reap(self) -> io::Result<TaskEnd> {
        self.reap_with_usage().map(|(end, _)| end)
    }

    /// Reaps the first process, and returns how the process ended and the resources that the task used.
    ///
    /// # Errors
    /// The process cannot be waited for, as when it was reaped already.
    pub fn reap_with_usage(self) -> io::Result<(TaskEnd, Usage)> {
        loop {
            if let Change::Ended { status, usage } = syscalls::wait(self.child.pid())? {
                return Ok((end_of(status), usage));
            }
        }
    }
}

fn end_of(status: ExitStatus) -> TaskEnd {
    match (status.code(), status.signal()) {
        (Some(code), _) => TaskEnd::Exited(low_byte(code)),
        (None, signal) => TaskEnd::Killed(low_byte(signal.unwrap_or_default())),
    }
}

/// The low byte of an exit status or a signal. Neither is larger than a byte.
fn low_byte(number: i32) -> u8 {
    number.to_le_bytes()[0]
}
