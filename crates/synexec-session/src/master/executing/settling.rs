//! The end of a slave's part in a round: its task has ended, or the slave is lost.

use super::super::actions::Actions;
use super::super::awake::Now;
use super::super::{Loss, Notice, OtherTasks, PeerId, Row, SlaveLabel, StopCause};
use super::Executing;

impl Executing {
    pub(super) fn end(&mut self, now: Now, peer: PeerId, row: Row, actions: &mut Actions) {
        let (outcome, times, start) = (row.outcome.clone(), row.times, row.start);
        let (has_failed, lost) = (outcome.has_failed(), row.output_lost.clone());
        let Some(slave) = self.slaves.get_mut(peer).and_then(|mut slave| slave.settle(row)) else { return };
        let done = self.slaves.count(|stage| stage.is_settled);
        actions.tell(Notice::Ended { slave: slave.clone(), outcome, times, start, done, slaves: self.slaves.len() });
        if let Some(why) = lost {
            actions.tell(Notice::OutputIncomplete { slave: slave.clone(), why });
        }
        if has_failed {
            self.after_failure(now, slave, actions);
        }
    }

    /// A task has failed, or could not be started.
    pub(super) fn after_failure(&mut self, now: Now, slave: SlaveLabel, actions: &mut Actions) {
        if self.on_failure == OtherTasks::Stop {
            self.stop_others(now, StopCause::Failure(slave), actions);
        }
    }

    pub(super) fn lose(&mut self, now: Now, peer: PeerId, why: Loss, actions: &mut Actions) {
        let outcome = self.outcome_of_loss(now, &why);
        let Some(mut slave) = self.slaves.get_mut(peer) else { return };
        let row = slave.member.row(outcome, self.instant);
        slave.member.leave(&why, actions);
        slave.member.this_round.outputs.iter_mut().for_each(|outputs| outputs.lose(&why.to_string(), actions));
        let Some(label) = slave.settle(row) else { return };
        drop(slave);
        actions.tell(Notice::Lost { slave: label.clone(), why });
        if self.on_lost == OtherTasks::Stop {
            self.stop_others(now, StopCause::Loss(label), actions);
        }
    }

    /// Stops the tasks of the other slaves, unless tasks are being stopped already.
    fn stop_others(&mut self, now: Now, cause: StopCause, actions: &mut Actions) {
        if self.stopping.is_some() {
            return;
        }
        self.cause = Some(cause.clone());
        let running = self.running();
        if running > 0 {
            actions.tell(Notice::StoppingOthers { cause, running });
            self.stop_all(now, None, actions);
        }
    }
}
