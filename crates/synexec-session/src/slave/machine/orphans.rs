//! What a session leaves of its task when it is over: nothing, or all of it where the user wants that.

use super::{Conf, Link, Slave};
use crate::slave::task::Task;
use crate::slave::{Action, Notice};
use synexec_proto::time::MonotonicInstant;

impl Slave {
    /// Whether the task goes on when its session is over.
    pub(super) fn is_task_kept(&self) -> bool {
        self.settings.keeps_orphans && self.task == Task::Running
    }

    /// Ends what a task has left that ended by itself, or waits until that has ended.
    pub(super) fn see_to_the_rest(&mut self, now: MonotonicInstant) {
        // A program that is to end does not come back to its master for them.
        if self.resuming.take().is_some() {
            self.push(Action::Disconnect);
            self.link = Link::Gone;
        }
        // What is held for another round goes first; it would never end by itself.
        if self.settings.keeps_orphans {
            self.tell(Notice::Orphaned);
            self.drop_held();
            self.task.await_rest(now);
        } else {
            self.discard_conf();
            self.task.end_rest(now);
        }
    }

    /// The program is to end, and its task to go on.
    pub(super) fn abandon(&mut self) {
        let runs = matches!(self.task, Task::Running | Task::Left { .. });
        let waits = self.task.is_idle() && self.left_behind;
        if !runs && !waits {
            return;
        }
        self.tell(Notice::Orphaned);
        self.drop_held();
        self.push(Action::Abandon);
        (self.task, self.conf, self.left_behind) = (Task::Idle, Conf::None, false);
    }

    fn drop_held(&mut self) {
        if matches!(self.conf, Conf::Preparing | Conf::Held { .. }) {
            self.conf = Conf::Spent;
            self.push(Action::DropHeld);
        }
    }
}
