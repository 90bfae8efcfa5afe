//! A task's process group.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::stat::Stat;

/// A task's process group, to signal it while another thread waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessGroup(pub(super) Pid);

impl ProcessGroup {
    /// Sends a signal to all of the group. That nobody is left is no error.
    ///
    /// # Errors
    /// That of the system call.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        match killpg(self.0, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether nobody of the group is left but zombies, which can do nothing any more and are their parent's to reap.
    pub fn is_empty(self) -> bool {
        killpg(self.0, None) == Err(Errno::ESRCH) || !self.has_living_member()
    }

    fn has_living_member(self) -> bool {
        let Ok(processes) = fs::read_dir("/proc") else { return true };
        let mut stats = processes.flatten().filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
        stats.any(|stat| is_living_member(&stat, self.0))
    }
}

fn is_living_member(line: &str, group: Pid) -> bool {
    Stat::parse(line).is_some_and(|stat| stat.group == group && !matches!(stat.state, 'Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_is_no_living_member() {
        let group = Pid::from_raw(77);
        assert!(is_living_member("80 (a ) (b) S 1 77 77 0 -1", group));
        assert!(!is_living_member("80 (sleep) Z 1 77 77 0 -1", group));
        assert!(!is_living_member("80 (sleep) S 77 78 77 0 -1", group));
        assert!(!is_living_member("", group));
    }
}
