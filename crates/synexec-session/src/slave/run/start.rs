//! From a new conf to the start of its task.

use std::time::Duration;

use super::conf::{ConfState, Part};
use super::output::Output;
use super::progress::ProgressTimer;
use super::task::Task;
use super::{Run, ThisRun};
use crate::slave::ExitCause;
use synexec_proto::message::Reason;
use synexec_proto::time::MonotonicInstant;

/// Most time between an order and its start, so that no master can make a slave wait for ever.
pub const LEAD_MAX: Duration = Duration::from_secs(60 * 60);

/// The consequence of an order to start.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::slave) enum AfterOrder {
    Refused(Reason),
    /// The task will start at this instant once the master says GO.
    Confirmed(MonotonicInstant),
    /// The held task starts at once.
    Release,
    /// The task has to be held again, and then starts at once.
    Hold,
    /// The task starts as soon as it is held.
    Awaited,
}

impl Run {
    /// A new conf comes, for a session of its own. The conf before it is discarded already.
    pub(in crate::slave) fn begin_session(&mut self) {
        self.progress = ProgressTimer::new(None);
        self.current = ThisRun::default();
        self.outcome = Some(ExitCause::NotStarted);
    }

    /// A conf of this length is received piece by piece, from a master that wants to hear of the progress this often.
    pub(in crate::slave) fn receive_conf(&mut self, length: u64, progress: Option<Duration>) {
        self.progress = ProgressTimer::new(progress);
        self.conf = ConfState::Receiving { left: length };
    }

    /// The next piece of the conf has arrived, of this length.
    pub(in crate::slave) fn receive_part(&mut self, length: usize) -> Part {
        self.conf.receive(length)
    }

    /// The conf is whole, and its task is about to be held.
    pub(in crate::slave) fn prepare(&mut self) {
        self.conf = ConfState::Preparing;
    }

    /// Whether the task is about to be held.
    pub(in crate::slave) fn is_preparing(&self) -> bool {
        self.conf == ConfState::Preparing
    }

    /// The conf is accepted: its task is held.
    pub(in crate::slave) fn accept(&mut self) {
        self.conf = ConfState::Held { ordered: None };
    }

    /// The conf is declined.
    pub(in crate::slave) fn decline(&mut self) {
        self.outcome = Some(ExitCause::Declined);
    }

    /// Has the task held again, for another round. A master that orders a round knows of the end of the one before.
    ///
    /// # Errors
    /// Why nothing can be held.
    pub(in crate::slave) fn hold_again(&mut self) -> Result<(), Reason> {
        self.check_idle()?;
        if !self.conf.can_be_held_again() {
            return Err(Reason::new("there is no conf to run"));
        }
        self.conf = ConfState::Preparing;
        self.current = ThisRun::default();
        Ok(())
    }

    /// Fails while a task is under way.
    ///
    /// # Errors
    /// The reason for the master.
    pub(in crate::slave) fn check_idle(&self) -> Result<(), Reason> {
        if self.is_idle() { Ok(()) } else { Err(Reason::new("a task is running")) }
    }

    /// Takes an order to start at this instant, or at once.
    pub(in crate::slave) fn order(&mut self, now: MonotonicInstant, at: Option<MonotonicInstant>) -> AfterOrder {
        if let Err(reason) = self.check_idle() {
            return AfterOrder::Refused(reason);
        }
        match (self.conf, at) {
            (ConfState::Held { .. }, Some(at)) => self.order_held(now, at),
            (ConfState::Held { .. }, None) => AfterOrder::Release,
            (ConfState::Preparing, None) => {
                self.task = Task::Spawning { stopped: false };
                AfterOrder::Awaited
            }
            (ConfState::Spent, None) => {
                self.task = Task::Spawning { stopped: false };
                self.current = ThisRun::default();
                AfterOrder::Hold
            }
            (ConfState::Preparing | ConfState::Spent, Some(_)) => {
                AfterOrder::Refused(Reason::new("the task is not held"))
            }
            (ConfState::None | ConfState::Receiving { .. }, _) => {
                AfterOrder::Refused(Reason::new("there is no conf to run"))
            }
        }
    }

    fn order_held(&mut self, now: MonotonicInstant, at: MonotonicInstant) -> AfterOrder {
        let is_too_far = at.since(now) > LEAD_MAX;
        self.conf = ConfState::Held { ordered: (!is_too_far).then_some(at) };
        if is_too_far {
            let limit = LEAD_MAX.as_secs();
            AfterOrder::Refused(Reason::new(&format!("the start is more than {limit} s ahead")))
        } else {
            AfterOrder::Confirmed(at)
        }
    }

    /// The instant that was ordered.
    ///
    /// # Errors
    /// The reason for the master if no instant was ordered.
    pub(in crate::slave) fn ordered_start(&self) -> Result<MonotonicInstant, Reason> {
        if let ConfState::Held { ordered: Some(at) } = self.conf {
            Ok(at)
        } else {
            Err(Reason::new("no start was ordered"))
        }
    }

    /// The held task is let go, at this instant or at once.
    pub(in crate::slave) fn release(&mut self, now: MonotonicInstant, at: Option<MonotonicInstant>) {
        (self.conf, self.task) = (ConfState::Spent, Task::Running);
        self.current = ThisRun::default();
        self.output = Output::of_new_task();
        self.progress.start(at.unwrap_or(now));
    }

    /// Whether the task is to start as soon as it is held.
    pub(in crate::slave) fn is_start_awaited(&self) -> bool {
        self.task.is_spawning()
    }

    /// Whether a task that is to start as soon as it is held was told to stop.
    pub(in crate::slave) fn is_start_cancelled(&self) -> bool {
        self.task == Task::Spawning { stopped: true }
    }

    /// The held task is gone. Returns whether one was held.
    pub(in crate::slave) fn lose_held_task(&mut self) -> bool {
        let was_held = self.conf.is_held();
        if was_held {
            self.conf = ConfState::Spent;
        }
        was_held
    }

    /// The held task is dropped if there is one, or is about to be; returns whether this is so.
    pub(in crate::slave) fn drop_held_task(&mut self) -> bool {
        let has_held_task = self.conf.has_held_task();
        if has_held_task {
            self.conf = ConfState::Spent;
        }
        has_held_task
    }

    /// The start was refused. The refusal is kept, unless it concerns a second task beside one that runs.
    pub(in crate::slave) fn refuse(&mut self, reason: &Reason) {
        if self.is_idle() {
            self.current.refusal = Some(reason.clone());
        }
    }

    /// The refusal that the master may not know.
    pub(in crate::slave) fn refusal(&self) -> Option<Reason> {
        self.current.refusal.clone()
    }

    /// The task could not be started.
    pub(in crate::slave) fn not_started(&mut self, outcome: ExitCause) {
        self.task = Task::Idle;
        self.progress.stop();
        self.outcome = Some(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: MonotonicInstant = MonotonicInstant::from_nanos(1_000_000_000);

    fn held() -> Run {
        let mut run = Run::default();
        run.begin_session();
        run.receive_conf(3, None);
        assert_eq!(run.receive_part(3), Part::Last);
        run.prepare();
        run.accept();
        run
    }

    fn refused(text: &str) -> AfterOrder {
        AfterOrder::Refused(Reason::new(text))
    }

    #[test]
    fn a_task_starts_at_the_instant_that_was_ordered() {
        let mut run = held();
        let at = START.plus(Duration::from_secs(1));
        assert!(run.ordered_start().is_err());
        assert_eq!(run.order(START, Some(at)), AfterOrder::Confirmed(at));
        assert_eq!(run.ordered_start(), Ok(at));
        run.release(START, Some(at));
        assert!(!run.is_idle() && run.can_be_resumed() && run.check_output().is_ok());
        assert_eq!(run.order(START, None), refused("a task is running"));
    }

    #[test]
    fn a_start_that_is_too_far_ahead_takes_the_order_back() {
        let mut run = held();
        run.order(START, Some(START));
        let far = START.plus(LEAD_MAX + Duration::from_nanos(1));
        assert_eq!(run.order(START, Some(far)), refused("the start is more than 3600 s ahead"));
        assert!(run.ordered_start().is_err());
    }

    #[test]
    fn a_task_that_is_not_held_starts_only_at_once() {
        let mut run = held();
        assert_eq!(run.hold_again(), Ok(()));
        assert_eq!(run.order(START, Some(START)), refused("the task is not held"));
        assert_eq!(run.order(START, None), AfterOrder::Awaited);
        assert!(run.is_start_awaited() && !run.is_start_cancelled());
        run.stop(START);
        assert!(run.is_start_awaited() && run.is_start_cancelled());
        run.not_started(ExitCause::NotStarted);
        assert!(run.is_idle());
        assert_eq!(Run::default().order(START, None), refused("there is no conf to run"));
        assert!(Run::default().hold_again().is_err());
    }

    #[test]
    fn only_a_held_task_can_be_lost() {
        let mut run = held();
        assert!(run.lose_held_task() && !run.lose_held_task() && !run.drop_held_task());
        run.refuse(&Reason::new("it was killed"));
        assert!(run.refusal().is_some());
        assert_eq!(run.order(START, None), AfterOrder::Hold);
    }
}
