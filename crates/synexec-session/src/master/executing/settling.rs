//! The end of a slave's part in a round: its task has ended, or the slave is lost.

use super::super::actions::Actions;
use super::super::awake::Now;
use super::super::{Loss, Notice, OnLost, PeerId, Row};
use super::Executing;

impl Executing {
    pub(super) fn end(&mut self, peer: PeerId, row: Row, actions: &mut Actions) {
        let (outcome, times, start) = (row.outcome.clone(), row.times, row.start);
        let lost = row.output_lost.clone();
        let Some(slave) = self.slaves.get_mut(peer).and_then(|mut slave| slave.settle(row)) else { return };
        let done = self.slaves.count(|stage| stage.is_settled());
        actions.tell(Notice::Ended { slave: slave.clone(), outcome, times, start, done, slaves: self.slaves.len() });
        if let Some(why) = lost {
            actions.tell(Notice::OutputIncomplete { slave, why });
        }
    }

    pub(super) fn lose(&mut self, now: Now, peer: PeerId, why: Loss, actions: &mut Actions) {
        let outcome = self.outcome_of_loss(now, &why);
        let Some(mut slave) = self.slaves.get_mut(peer) else { return };
        let row = slave.member.row(outcome, self.instant);
        slave.member.leave(&why, actions);
        slave.member.this_round.output.iter_mut().for_each(|output| output.lose(why.to_string(), actions));
        let Some(label) = slave.settle(row) else { return };
        drop(slave);
        actions.tell(Notice::Lost { slave: label, why });
        if self.on_lost == OnLost::Abort && self.stopping.is_none() {
            actions.tell(Notice::Aborting { running: self.running() });
            self.stop_all(now, None, actions);
        }
    }
}
