//! A task's process group.

use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A task's process group, to signal it while another thread waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessGroup(pub(super) Pid);

impl ProcessGroup {
    /// Sends a signal to every process of the group. An empty group is no error.
    ///
    /// # Errors
    /// No process of the group can be signalled, as when all of them run as another user.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        match killpg(self.0, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
