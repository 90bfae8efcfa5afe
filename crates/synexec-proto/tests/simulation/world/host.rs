//! The operating system beneath a slave: it stores confs and runs tasks as its [`Plan`] says.

use std::time::Duration;

use synexec_proto::message::{Reason, TaskEnded};
use synexec_proto::outcome::TaskEnd;
use synexec_proto::slave::StopSignal;
use synexec_proto::time::{MonotonicInstant, WallClockTime};

use super::client::HostEvent;
use super::plan::{Plan, Refusal};
use super::time::millis;

/// Time in which a process dies of a signal.
const DEATH: Duration = millis(1);

const SIGTERM: u8 = 15;
const SIGKILL: u8 = 9;

#[derive(Debug)]
pub struct Host {
    pub plan: Plan,
    /// Confs that were prepared, each whole.
    pub confs: Vec<Vec<u8>>,
    /// All tasks that ever ran.
    pub runs: Vec<Run>,
    storing: Option<Vec<u8>>,
    /// The last conf that was begun, or the last task.
    number: u32,
    task: Option<Process>,
    group_gone: Option<MonotonicInstant>,
}

/// One task's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub started: MonotonicInstant,
    pub ended: Option<(MonotonicInstant, TaskEnd)>,
}

#[derive(Debug, Clone, Copy)]
struct Process {
    number: u32,
    started: MonotonicInstant,
    end: TaskEnd,
}

impl Host {
    pub fn new(plan: Plan) -> Self {
        let (confs, runs) = (Vec::new(), Vec::new());
        Self { plan, confs, runs, storing: None, number: 0, task: None, group_gone: None }
    }

    pub fn begin_conf(&mut self) {
        self.storing = Some(Vec::new());
    }

    pub fn store(&mut self, bytes: &[u8]) {
        self.storing.as_mut().expect("a conf has begun").extend_from_slice(bytes);
    }

    pub fn discard_conf(&mut self) {
        self.storing = None;
        self.number += 1;
    }

    pub fn end_conf(&mut self) -> (Duration, HostEvent) {
        self.confs.push(self.storing.take().expect("a conf has begun"));
        self.number += 1;
        (self.plan.prepares, HostEvent::Prepared(self.number))
    }

    /// The answer to a conf that has not been discarded since.
    pub fn prepared(&self, number: u32) -> Option<Result<(), Reason>> {
        let result = if self.plan.refusal == Some(Refusal::Conf) { Err(Reason::new("not here")) } else { Ok(()) };
        (number == self.number).then_some(result)
    }

    pub fn start(&mut self) -> (Duration, HostEvent) {
        self.number += 1;
        (self.plan.spawns, HostEvent::Spawned(self.number))
    }

    pub fn spawn(&mut self, now: MonotonicInstant, number: u32) -> Result<(Duration, HostEvent), Reason> {
        if self.plan.refusal == Some(Refusal::Start) {
            self.group_gone = Some(now);
            return Err(Reason::new("no such program"));
        }
        assert!(self.task.is_none(), "two tasks at once");
        self.task = Some(Process { number, started: now, end: self.plan.end });
        self.group_gone = None;
        self.runs.push(Run { started: now, ended: None });
        Ok((self.plan.runs, HostEvent::Ended(number)))
    }

    /// Signals the process group; gives the end that follows, if one does.
    pub fn signal(&mut self, now: MonotonicInstant, signal: StopSignal) -> Option<(Duration, HostEvent)> {
        let killed = signal == StopSignal::Kill;
        if killed {
            self.group_gone = Some(self.group_gone.map_or(now, |gone| gone.min(now)));
        }
        let task = self.task.as_mut().filter(|_| killed || !self.plan.ignores_sigterm)?;
        task.end = TaskEnd::Killed(if killed { SIGKILL } else { SIGTERM });
        Some((DEATH, HostEvent::Ended(task.number)))
    }

    /// The end of this task, unless it has ended before.
    pub fn end(&mut self, now: MonotonicInstant, number: u32) -> Option<TaskEnded> {
        let task = self.task.take_if(|task| task.number == number)?;
        self.group_gone.get_or_insert(now.plus(self.plan.straggles));
        self.runs.last_mut().expect("it ran").ended = Some((now, task.end));
        let wall_clock = |at: MonotonicInstant| WallClockTime::from_nanos(at.as_nanos().cast_signed());
        Some(TaskEnded {
            started: wall_clock(task.started),
            finished: wall_clock(now),
            started_at: task.started,
            finished_at: now,
            end: task.end,
        })
    }

    /// Whether anybody of the task's process group is left.
    pub fn is_busy(&self, now: MonotonicInstant) -> bool {
        self.task.is_some() || self.group_gone.is_some_and(|gone| now < gone)
    }

    /// When the last of the group was gone, or the start had failed.
    pub fn group_gone(&self) -> Option<MonotonicInstant> {
        self.group_gone
    }
}
