//! When to report the task's progress: as often as the master of the conf asks for.

use std::time::Duration;

use synexec_proto::time::MonotonicInstant;

/// Least time between two reports, so that no master can keep a slave busy with them.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Most reports in a row without a message from the master. A master that is stopped reads none, and too many of them
/// would fill the connection and break it. While the task runs, a synexec master sends a message at least once a minute.
const UNANSWERED_MAX: u32 = 200;

#[derive(Debug, Default)]
pub(super) struct ProgressTimer {
    /// Reports since the last message from the master.
    unanswered: u32,
    every: Option<Duration>,
    next: Option<MonotonicInstant>,
}

impl ProgressTimer {
    /// A timer for reports this often; none if the master asks for none.
    pub(super) fn new(every: Option<Duration>) -> Self {
        Self { every: every.map(|every| every.max(INTERVAL_MIN)), ..Self::default() }
    }

    /// The task starts at this instant.
    pub(super) fn start(&mut self, at: MonotonicInstant) {
        self.next = self.every.map(|every| at.plus(every));
    }

    /// A message from the master has arrived.
    pub(super) fn heard(&mut self) {
        self.unanswered = 0;
    }

    /// The task is over.
    pub(super) fn stop(&mut self) {
        self.next = None;
    }

    pub(super) fn deadline(&self) -> Option<MonotonicInstant> {
        self.next
    }

    /// Goes on to the next report if one is due; returns whether to make it. A missed report is not made up for.
    pub(super) fn advance(&mut self, now: MonotonicInstant) -> bool {
        let (Some(every), Some(next)) = (self.every, self.next) else { return false };
        if now < next {
            return false;
        }
        self.next = Some(now.plus(every));
        let is_heard = self.unanswered < UNANSWERED_MAX;
        self.unanswered += u32::from(is_heard);
        is_heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: MonotonicInstant = MonotonicInstant::from_nanos(1_000_000_000);

    #[test]
    fn reports_are_neither_more_often_than_allowed_nor_made_up_for() {
        let mut timer = ProgressTimer::new(Some(Duration::ZERO));
        timer.start(START);
        assert!(!timer.advance(START));
        assert_eq!(timer.deadline(), Some(START.plus(INTERVAL_MIN)));
        let late = START.plus(INTERVAL_MIN * 5);
        assert!(timer.advance(late) && !timer.advance(late));
        timer.stop();
        assert!(timer.deadline().is_none() && !timer.advance(late.plus(INTERVAL_MIN)));
    }

    #[test]
    fn reports_pause_until_the_master_sends_a_message() {
        let mut timer = ProgressTimer::new(Some(INTERVAL_MIN));
        timer.start(START);
        let mut reports = |from: u32| {
            let instants = (from..from + 300).map(|n| START.plus(INTERVAL_MIN * n));
            let count = instants.filter(|at| timer.advance(*at)).count();
            timer.heard();
            count
        };
        assert_eq!([reports(1), reports(301)], [200, 200]);
    }
}
