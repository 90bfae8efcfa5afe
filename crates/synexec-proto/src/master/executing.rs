//! Executing: every slave is told to start, and every task is awaited to its end.

use std::time::Duration;

use super::actions::Actions;
use super::member::{Member, PhaseStart, Unanswered};
use super::{Interrupt, Loss, Notice, Outcome, PeerId, PhaseName, Report, Row, RunTimes, Settings, Verdict};
use crate::message::{Feature, Features, FinishedRecord, Message, Reason, TaskEnded};
use crate::session::{Disconnect, STOP_GRACE};
use crate::time::MonotonicInstant;

/// Beyond the time that a slave gives its task to stop, its report has this long to arrive.
const STOP_REPORT_TIME: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Executing {
    start: PhaseStart,
    slaves: Vec<Runner>,
    stopping: Option<Stopping>,
}

#[derive(Debug)]
struct Runner {
    member: Member,
    run: Run,
}

#[derive(Debug)]
enum Run {
    Ordered(Unanswered),
    Running,
    Done { outcome: Outcome, times: Option<RunTimes> },
}

#[derive(Debug, Clone, Copy)]
struct Stopping {
    interrupt: Interrupt,
    deadline: MonotonicInstant,
}

impl Executing {
    pub(super) fn begin(
        settings: &Settings,
        members: Vec<Member>,
        now: MonotonicInstant,
        actions: &mut Actions,
    ) -> Self {
        let ordered = Unanswered::new(now, settings.lost_after);
        let slaves: Vec<_> = members.into_iter().map(|member| Runner { member, run: Run::Ordered(ordered) }).collect();
        for slave in &slaves {
            actions.send(slave.member.peer, Message::Exec);
        }
        actions.tell(Notice::Starting { slaves: slaves.len() });
        let start = PhaseStart { phase: PhaseName::Executing, at: now };
        Self { start, slaves, stopping: None }
    }

    /// What is agreed with a peer.
    pub(super) fn features(&self, peer: PeerId) -> Features {
        let slave = self.slaves.iter().find(|slave| slave.member.peer == peer);
        slave.map_or(Features::NONE, |slave| slave.member.features)
    }

    pub(super) fn received(&mut self, now: MonotonicInstant, peer: PeerId, message: Message, actions: &mut Actions) {
        let Some(slave) = self.find(peer) else { return };
        slave.member.liveness.heard(now);
        if slave.is_done() {
            return;
        }
        match message {
            Message::ExecOk if slave.ordered().is_some() => {
                slave.run = Run::Running;
                actions.tell(Notice::Started { slave: slave.member.label.clone() });
            }
            Message::ExecNo(reason) if slave.ordered().is_some() => self.decline(peer, reason, actions),
            Message::Finished(record) => self.end(peer, Outcome::Finished, record.into(), actions),
            Message::TaskEnded(ended) => self.end(peer, Outcome::Ended(ended.end), ended.into(), actions),
            _ => {}
        }
    }

    pub(super) fn disconnected(&mut self, now: MonotonicInstant, peer: PeerId, why: Disconnect, actions: &mut Actions) {
        self.lose(now, peer, Loss::Disconnected(why), actions);
    }

    pub(super) fn advance(&mut self, now: MonotonicInstant, actions: &mut Actions) {
        let mut lost = Vec::new();
        let overdue = self.stopping.is_some_and(|stopping| now >= stopping.deadline);
        for slave in self.slaves.iter_mut().filter(|slave| !slave.is_done()) {
            let silent = slave.member.check(now, actions);
            let unanswered = slave.ordered().and_then(|ordered| ordered.check(now));
            let why = silent.or(unanswered).or(overdue.then_some(Loss::DidNotStop));
            lost.extend(why.map(|why| (slave.member.peer, why)));
        }
        for (peer, why) in lost {
            self.lose(now, peer, why, actions);
        }
    }

    pub(super) fn deadline(&self) -> Option<MonotonicInstant> {
        let running = self.slaves.iter().filter(|slave| !slave.is_done());
        let deadlines = running.flat_map(|slave| {
            [slave.member.liveness.deadline(), slave.ordered().map(Unanswered::deadline)].into_iter().flatten()
        });
        deadlines.chain(self.stopping.map(|stopping| stopping.deadline)).min()
    }

    /// The user wants an end: the tasks are told to stop; said again, nothing more is waited for.
    pub(super) fn interrupt(&mut self, now: MonotonicInstant, interrupt: Interrupt, actions: &mut Actions) {
        if let Some(stopping) = &mut self.stopping {
            stopping.deadline = now;
            return;
        }
        self.stopping = Some(Stopping { interrupt, deadline: now.plus(STOP_GRACE).plus(STOP_REPORT_TIME) });
        let running: Vec<_> = self.slaves.iter().filter(|slave| !slave.is_done()).collect();
        actions.tell(Notice::Stopping { interrupt, running: running.len() });
        let (able, unable): (Vec<_>, Vec<_>) = running.into_iter().partition(|slave| slave.member.has(Feature::Stop));
        for slave in able {
            actions.send(slave.member.peer, Message::Stop);
        }
        let unable: Vec<_> = unable.into_iter().map(|slave| slave.member.peer).collect();
        for peer in unable {
            self.lose(now, peer, Loss::CannotStop, actions);
        }
    }

    /// Whether every slave's outcome is known.
    pub(super) fn is_over(&self) -> bool {
        self.slaves.iter().all(Runner::is_done)
    }

    pub(super) fn into_report(self, actions: &mut Actions) -> Report {
        let rows: Vec<Row> = self
            .slaves
            .into_iter()
            .filter_map(|slave| {
                actions.close(slave.member.peer);
                slave.into_row()
            })
            .collect();
        Report::new(rows, self.stopping.map(|stopping| Verdict::Interrupted(stopping.interrupt)))
    }

    fn find(&mut self, peer: PeerId) -> Option<&mut Runner> {
        self.slaves.iter_mut().find(|slave| slave.member.peer == peer)
    }

    fn end(&mut self, peer: PeerId, outcome: Outcome, times: RunTimes, actions: &mut Actions) {
        let done = Run::Done { outcome: outcome.clone(), times: Some(times) };
        let Some(slave) = self.settle(peer, done) else {
            return;
        };
        let (done, slaves) = (self.slaves.iter().filter(|slave| slave.is_done()).count(), self.slaves.len());
        actions.tell(Notice::Ended { slave, outcome, times, done, slaves });
    }

    fn decline(&mut self, peer: PeerId, reason: Option<Reason>, actions: &mut Actions) {
        let done = Run::Done { outcome: Outcome::Declined(reason.clone()), times: None };
        if let Some(slave) = self.settle(peer, done) {
            actions.tell(Notice::Declined { slave, reason });
        }
    }

    fn lose(&mut self, now: MonotonicInstant, peer: PeerId, why: Loss, actions: &mut Actions) {
        let done = Run::Done { outcome: self.start.lost(now, why.clone()), times: None };
        if let Some(slave) = self.settle(peer, done) {
            actions.close(peer);
            actions.tell(Notice::Lost { slave, why });
        }
    }

    /// Notes the end of a slave's part, unless it has ended before.
    fn settle(&mut self, peer: PeerId, done: Run) -> Option<super::SlaveLabel> {
        let slave = self.find(peer).filter(|slave| !slave.is_done())?;
        slave.run = done;
        Some(slave.member.label.clone())
    }
}

impl Runner {
    fn is_done(&self) -> bool {
        matches!(self.run, Run::Done { .. })
    }

    fn ordered(&self) -> Option<Unanswered> {
        if let Run::Ordered(ordered) = self.run { Some(ordered) } else { None }
    }

    fn into_row(self) -> Option<Row> {
        let Run::Done { outcome, times } = self.run else {
            return None;
        };
        Some(self.member.row(outcome, times))
    }
}

impl From<FinishedRecord> for RunTimes {
    fn from(record: FinishedRecord) -> Self {
        let FinishedRecord { started, finished } = record;
        Self { started, finished, elapsed: finished.since(started) }
    }
}

impl From<TaskEnded> for RunTimes {
    fn from(ended: TaskEnded) -> Self {
        let elapsed = ended.finished_at.since(ended.started_at);
        Self { started: ended.started, finished: ended.finished, elapsed }
    }
}
