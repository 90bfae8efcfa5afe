//! Telling how far the task is: when the master probes, and as often as it asked for.

use std::time::Duration;

use super::Slave;
use crate::slave::Action;
use crate::slave::task::Task;
use synexec_proto::message::{Feature, Message, TaskProgress};
use synexec_proto::time::MonotonicInstant;

/// The least pause between two reports, so that no master can keep a slave busy with them.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Reports after which nothing more is told until the master has said something: one that is stopped reads none, and too
/// many of them would fill the connection and break it. A master of ours says something once a minute.
const UNHEARD_MAX: u32 = 200;

/// How often, and when next.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// Reports since the master has said something.
    unheard: u32,
    every: Option<Duration>,
    next: Option<MonotonicInstant>,
}

impl Telling {
    /// As often as the master of a new conf asks for.
    pub(super) fn begin(&mut self, every: Option<Duration>) {
        *self = Self { every: every.map(|every| every.max(INTERVAL_MIN)), ..Self::default() };
    }

    /// The task starts at this instant.
    pub(super) fn start(&mut self, at: MonotonicInstant) {
        self.next = self.every.map(|every| at.plus(every));
    }

    /// The master has said something.
    pub(super) fn heard(&mut self) {
        self.unheard = 0;
    }

    /// The task is over.
    pub(super) fn end(&mut self) {
        self.next = None;
    }

    pub(super) fn deadline(&self) -> Option<MonotonicInstant> {
        self.next
    }
}

impl Slave {
    pub(super) fn advance_progress(&mut self, now: MonotonicInstant) {
        let Telling { every: Some(every), next: Some(next), unheard } = self.telling else { return };
        if now >= next {
            // What was missed is not made up for.
            self.telling.next = Some(now.plus(every));
            if unheard < UNHEARD_MAX {
                self.telling.unheard += 1;
                self.sample();
            }
        }
    }

    /// Has the task looked at, where it runs and its master can be told.
    pub(super) fn sample(&mut self) {
        if self.agreed(Feature::Progress) && matches!(self.task, Task::Running | Task::Stopping(_)) {
            self.push(Action::Sample);
        }
    }

    pub(super) fn sampled(&mut self, progress: TaskProgress, stopped: bool) {
        if self.agreed(Feature::Progress) && !self.task.is_idle() {
            self.send(if stopped { Message::Stopped(progress) } else { Message::Running(progress) });
        }
    }
}
