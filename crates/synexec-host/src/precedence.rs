//! Real-time priority for a thread, for a short time.

use std::io;

use nix::libc;

/// The lowest real-time priority. It is above the priority of every thread that is not real-time.
const PRIORITY: i32 = 1;

/// While this value lives, its thread has real-time priority (`SCHED_FIFO`, sched(7)), if this user may have it. With
/// many slaves on few cores, this priority decides how far apart the starts are: all slaves release their tasks before
/// the first task takes a core. A process forked meanwhile inherits the priority.
#[derive(Debug)]
pub struct Precedence {
    before: Option<Scheduling>,
}

#[derive(Debug, Clone, Copy)]
struct Scheduling {
    policy: i32,
    priority: i32,
}

impl Precedence {
    /// Gives this thread real-time priority, if the kernel permits it.
    pub fn take() -> Self {
        let taken = Scheduling::current().and_then(|before| {
            if !before.is_real_time() {
                Scheduling { policy: libc::SCHED_FIFO, priority: PRIORITY }.apply()?;
            }
            Ok(before)
        });
        Self { before: taken.inspect_err(|error| log::debug!("no real-time priority for the start: {error}")).ok() }
    }
}

impl Drop for Precedence {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.before.filter(|before| !before.is_real_time()).map(Scheduling::apply) {
            log::warn!("a thread cannot give up its real-time priority: {error}");
        }
    }
}

impl Scheduling {
    /// The scheduling of this thread.
    fn current() -> io::Result<Self> {
        let mut parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: the kernel writes one structure to where the pointer points.
        let got = unsafe { libc::sched_getparam(0, &raw mut parameters) };
        // SAFETY: the call takes an integer and returns one.
        let policy = unsafe { libc::sched_getscheduler(0) };
        if got < 0 || policy < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { policy, priority: parameters.sched_priority })
    }

    /// Whether the thread has real-time priority already. Such a priority is not changed.
    fn is_real_time(self) -> bool {
        matches!(self.policy, libc::SCHED_FIFO | libc::SCHED_RR | libc::SCHED_DEADLINE)
    }

    /// Sets the scheduling of this thread.
    fn apply(self) -> io::Result<()> {
        let parameters = libc::sched_param { sched_priority: self.priority };
        // SAFETY: the kernel reads one structure from where the pointer points.
        let set = unsafe { libc::sched_setscheduler(0, self.policy, &raw const parameters) };
        if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_ends_with_its_owner() {
        let before = Scheduling::current().unwrap();
        let precedence = Precedence::take();
        let during = Scheduling::current().unwrap();
        assert_eq!(during.policy == libc::SCHED_FIFO, precedence.before.is_some());
        drop(precedence);
        let after = Scheduling::current().unwrap();
        assert_eq!((after.policy, after.priority), (before.policy, before.priority));
    }
}
