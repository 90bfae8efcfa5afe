//! The limits of time when tasks are ended early.

use std::time::Duration;

use super::awake::{AwakeInstant, Now};
use crate::interrupt::Interrupt;
use synexec_proto::defaults::STOP_GRACE;
use synexec_proto::time::MonotonicInstant;

/// Time that the report of a stopped task has to arrive, at least, after the time that the task itself has to stop.
const STOP_REPORT_TIME: Duration = Duration::from_secs(5);

/// The time that tasks have which are told to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopping {
    /// How the user asked for the end, if it was the user.
    pub(super) interrupt: Option<Interrupt>,
    /// How long the master waits for a slave that was told to stop its task.
    wait: Duration,
    /// When the wait is over at the latest, also for a slave that comes back again and again.
    latest: AwakeInstant,
    /// Whether the user has asked twice, and the master waits for nothing more.
    pub(super) at_once: bool,
}

impl Stopping {
    /// A user who asks for an end does not wait for a host that stands still or is away, so the time is shorter then.
    pub(super) fn begin(now: Now, interrupt: Option<Interrupt>, lost_after: Duration, reconnect: Duration) -> Self {
        let report_time = if interrupt.is_some() { STOP_REPORT_TIME } else { lost_after.max(STOP_REPORT_TIME) };
        let wait = STOP_GRACE.saturating_add(report_time);
        let latest = now.awake.plus(wait).plus(reconnect).plus(STOP_GRACE).plus(STOP_REPORT_TIME);
        Self { interrupt, wait, latest, at_once: false }
    }

    /// When a slave that is told now to stop its task is lost if it has not reported the end.
    pub(super) fn deadline(self, now: AwakeInstant) -> AwakeInstant {
        now.plus(self.wait).min(self.latest)
    }

    /// Whether the master waits for a slave that is away until its time to connect anew is over.
    pub(super) fn spares_absent(self) -> bool {
        self.interrupt.is_none()
    }
}

/// The longest time that tasks may run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeout {
    pub(super) time: Duration,
    /// When that time is over, on the master's clock.
    at: MonotonicInstant,
    is_over: bool,
}

impl Timeout {
    pub(super) fn new(time: Duration, start: MonotonicInstant) -> Self {
        Self { time, at: start.plus(time), is_over: false }
    }

    /// When the time is over; none if it already is.
    pub(super) fn deadline(self) -> Option<MonotonicInstant> {
        (!self.is_over).then_some(self.at)
    }

    /// Ends the time if it is over now. Returns whether this is news, which it is only once.
    pub(super) fn take_strike(&mut self, now: Now) -> bool {
        let is_news = !self.is_over && now.monotonic >= self.at;
        self.is_over |= is_news;
        is_news
    }

    /// Whether a task has ended because its time was over: its slave tells that the task was told to stop, or the task ended
    /// after that time, or the time of its end is not known.
    pub(super) fn has_stopped(self, was_told: bool, ended_at: Option<MonotonicInstant>) -> bool {
        self.is_over && (was_told || ended_at.is_none_or(|ended_at| ended_at >= self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::awake::AwakeClock;
    use super::*;

    fn at(millis: u64) -> MonotonicInstant {
        MonotonicInstant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn time_is_over_once_and_only_those_that_ended_later_were_stopped_for_it() {
        let mut clock = AwakeClock::new(at(1000));
        let mut timeout = Timeout::new(Duration::from_millis(500), at(1000));
        assert!(!timeout.take_strike(clock.look(at(1499))) && !timeout.has_stopped(true, None));
        assert_eq!(timeout.deadline(), Some(at(1500)));
        assert!(timeout.take_strike(clock.look(at(1500))));
        assert!(!timeout.take_strike(clock.look(at(1600))));
        assert_eq!(timeout.deadline(), None);
        assert!(timeout.has_stopped(false, None) && timeout.has_stopped(false, Some(at(1501))));
        assert!(!timeout.has_stopped(false, Some(at(1499))) && timeout.has_stopped(true, Some(at(1499))));
    }
}
