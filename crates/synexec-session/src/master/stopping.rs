//! Ending tasks early: their time is over, a slave is lost, or the user wants it.

use std::time::Duration;

use super::awake::{AwakeInstant, Now};
use crate::interrupt::Interrupt;
use synexec_proto::defaults::STOP_GRACE;
use synexec_proto::time::MonotonicInstant;

/// Beyond the time that a slave gives its task to stop, its report has at least this long to arrive.
const STOP_REPORT_TIME: Duration = Duration::from_secs(5);

/// The tasks are told to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stopping {
    /// How the user said so, if it was the user.
    pub(super) interrupt: Option<Interrupt>,
    /// How long who was told to stop is waited for.
    wait: Duration,
    /// How late that can be over for one that comes back meanwhile. Who never is here long enough is given up.
    latest: AwakeInstant,
    /// Whether the user has said it twice, and nothing more is waited for.
    pub(super) at_once: bool,
}

impl Stopping {
    /// A user who wants an end is not kept waiting for a host that stands still, or is away.
    pub(super) fn begin(now: Now, interrupt: Option<Interrupt>, lost_after: Duration, reconnect: Duration) -> Self {
        let report_time = if interrupt.is_some() { STOP_REPORT_TIME } else { lost_after.max(STOP_REPORT_TIME) };
        let wait = STOP_GRACE.saturating_add(report_time);
        let latest = now.awake.plus(wait).plus(reconnect).plus(STOP_GRACE).plus(STOP_REPORT_TIME);
        Self { interrupt, wait, latest, at_once: false }
    }

    /// When one that is told to stop now is not waited for any more.
    pub(super) fn deadline(self, now: AwakeInstant) -> AwakeInstant {
        now.plus(self.wait).min(self.latest)
    }

    /// Whether one that is away is waited for: it is lost in its own time.
    pub(super) fn spares_who_is_away(self) -> bool {
        self.interrupt.is_none()
    }
}

/// The time that tasks have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeout {
    pub(super) time: Duration,
    /// On the master's clock.
    at: MonotonicInstant,
    is_over: bool,
}

impl Timeout {
    pub(super) fn new(time: Duration, start: MonotonicInstant) -> Self {
        Self { time, at: start.plus(time), is_over: false }
    }

    /// When to look; none when that was.
    pub(super) fn deadline(self) -> Option<MonotonicInstant> {
        (!self.is_over).then_some(self.at)
    }

    /// Whether the time is over now, once.
    pub(super) fn strikes(&mut self, now: Now) -> bool {
        let strikes = !self.is_over && now.monotonic >= self.at;
        self.is_over |= strikes;
        strikes
    }

    /// Whether a task was stopped for it that was told to stop, as its slave knows, or ended then, where that is known.
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
        assert!(!timeout.strikes(clock.look(at(1499))) && !timeout.has_stopped(true, None));
        assert_eq!(timeout.deadline(), Some(at(1500)));
        assert!(timeout.strikes(clock.look(at(1500))));
        assert!(!timeout.strikes(clock.look(at(1600))));
        assert_eq!(timeout.deadline(), None);
        assert!(timeout.has_stopped(false, None) && timeout.has_stopped(false, Some(at(1501))));
        assert!(!timeout.has_stopped(false, Some(at(1499))) && timeout.has_stopped(true, Some(at(1499))));
    }
}
