//! The host of a slave of ours: it stores confs and runs tasks as its [`Plan`] says.

use std::time::Duration;

use synexec_proto::message::{Fetch, Held, Message, OutputPlace, Reason, TaskProgress, TaskStream};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_session::slave::{ObservedOutput, ObservedRun, StopSignal};

use crate::client_event::HostEvent;
use crate::plan::{Plan, Refusal};
use crate::task_output::answer_fetch;
use crate::time::millis;

/// Time from a signal to the end of the process that it kills.
const DEATH: Duration = millis(1);

const SIGTERM: u8 = 15;
const SIGKILL: u8 = 9;

/// The host of a slave of ours.
#[derive(Debug)]
pub struct Host {
    /// What the host and its tasks do.
    pub plan: Plan,
    /// All confs that have come complete.
    pub confs: Vec<Vec<u8>>,
    /// All tasks that have run.
    pub runs: Vec<Run>,
    storing: Option<Vec<u8>>,
    /// Whether the last conf keeps standard error separate.
    separate: bool,
    /// The number of the last conf or task. Work with an older number is void.
    number: u32,
    /// Whether a task is held.
    held: bool,
    /// The task that was released and does not run yet.
    released: Option<Released>,
    /// The task that runs.
    task: Option<Process>,
    /// When the last process of the last task's process group ends, if that is known.
    group_gone: Option<MonotonicInstant>,
}

/// One run of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When the task started, in the world's time.
    pub started: MonotonicInstant,
    /// When and how the task ended, if it has.
    pub ended: Option<(MonotonicInstant, TaskEnd)>,
}

#[derive(Debug, Clone, Copy)]
struct Released {
    number: u32,
    /// The instant that the task waits for, in the world's time.
    at: Option<MonotonicInstant>,
    /// How a signal ends the task before its first instruction.
    killed: Option<TaskEnd>,
}

#[derive(Debug, Clone, Copy)]
struct Process {
    number: u32,
    started: MonotonicInstant,
    /// Time from the ordered instant to the start, if an instant was ordered.
    lateness: Option<Duration>,
    /// Whether the task got to its first instruction.
    ran: bool,
    end: TaskEnd,
}

impl Host {
    pub(crate) fn new(plan: Plan) -> Self {
        let (confs, runs) = (Vec::new(), Vec::new());
        Self {
            plan,
            confs,
            runs,
            storing: None,
            separate: false,
            number: 0,
            held: false,
            released: None,
            task: None,
            group_gone: None,
        }
    }

    /// Begins to store a conf, whose task has one stream or two.
    pub(crate) fn begin_conf(&mut self, separate: bool) {
        (self.storing, self.separate) = (Some(Vec::new()), separate);
    }

    /// Stores bytes of the conf.
    pub(crate) fn store(&mut self, bytes: &[u8]) {
        self.storing.as_mut().expect("a conf has begun").extend_from_slice(bytes);
    }

    /// Deletes the conf and ends the held task.
    pub(crate) fn discard_conf(&mut self) {
        (self.storing, self.held) = (None, false);
        self.number += 1;
    }

    /// Completes the conf and begins to hold its task.
    pub(crate) fn end_conf(&mut self) -> (Duration, HostEvent) {
        self.confs.push(self.storing.take().expect("a conf has begun"));
        self.hold()
    }

    /// Begins to hold a task of the last conf.
    pub(crate) fn hold(&mut self) -> (Duration, HostEvent) {
        (self.number, self.held) = (self.number + 1, false);
        (self.plan.prepares, HostEvent::Prepared(self.number))
    }

    /// Whether the host can hold the task; nothing if the conf was discarded in the meantime.
    pub(crate) fn prepared(&mut self, number: u32) -> Option<Result<Held, Reason>> {
        if number != self.number {
            return None;
        }
        self.held = self.plan.refusal != Some(Refusal::Conf);
        Some(if self.held { Ok(Held::AtFirstInstruction) } else { Err(Reason::new("not here")) })
    }

    /// Kills the held task. Gives whether there was one.
    pub(crate) fn lose_held_task(&mut self) -> bool {
        std::mem::take(&mut self.held)
    }

    /// Releases the held task at an instant of the world, or at once.
    pub(crate) fn release(&mut self, now: MonotonicInstant, at: Option<MonotonicInstant>) -> (Duration, HostEvent) {
        assert!(std::mem::take(&mut self.held), "a task is released that is not held");
        self.number += 1;
        self.released = Some(Released { number: self.number, at, killed: None });
        let wait = at.map_or(Duration::ZERO, |at| at.since(now));
        (wait + self.plan.spawns, HostEvent::Spawned(self.number))
    }

    /// Whether this task waits for an instant.
    pub(crate) fn waits_for_instant(&self, number: u32) -> bool {
        self.released.is_some_and(|released| released.number == number && released.at.is_some())
    }

    /// Starts the task, unless it has already started. Gives the time to its end, or why it cannot start.
    pub(crate) fn spawn(
        &mut self,
        now: MonotonicInstant,
        number: u32,
    ) -> Option<Result<(Duration, HostEvent), Reason>> {
        let Released { at, killed, .. } = self.released.take_if(|released| released.number == number)?;
        if self.plan.refusal == Some(Refusal::Start) {
            self.group_gone = Some(now);
            return Some(Err(Reason::new("no such program")));
        }
        assert!(self.task.is_none(), "two tasks at once");
        let (lateness, ran) = (at.map(|at| now.since(at)), killed.is_none());
        let end = killed.unwrap_or(self.plan.end);
        self.task = Some(Process { number, started: now, lateness, ran, end });
        self.group_gone = None;
        if ran {
            self.runs.push(Run { started: now, ended: None });
        }
        Some(Ok((if ran { self.plan.runs } else { DEATH }, HostEvent::Ended(number))))
    }

    /// Signals the process group. Gives the time to the end of the task, if the signal ends it.
    pub(crate) fn signal(&mut self, now: MonotonicInstant, signal: StopSignal) -> Option<(Duration, HostEvent)> {
        let killed = signal == StopSignal::Kill;
        if killed {
            self.group_gone = Some(self.group_gone.map_or(now, |gone| gone.min(now)));
        }
        if let Some(released) = &mut self.released {
            released.killed = Some(TaskEnd::Killed(if killed { SIGKILL } else { SIGTERM }));
            return released.at.map(|_| (Duration::ZERO, HostEvent::Spawned(released.number)));
        }
        let task = self.task.as_mut().filter(|_| killed || !self.plan.ignores_sigterm)?;
        let by_sigterm = self.plan.end_by_sigterm.unwrap_or(TaskEnd::Killed(SIGTERM));
        task.end = if killed { TaskEnd::Killed(SIGKILL) } else { by_sigterm };
        Some((DEATH, HostEvent::Ended(task.number)))
    }

    /// Ends this task, unless it has already ended.
    pub(crate) fn end(&mut self, now: MonotonicInstant, number: u32) -> Option<(ObservedRun, ObservedOutput)> {
        let task = self.task.take_if(|task| task.number == number)?;
        self.group_gone.get_or_insert(if task.ran { now.plus(self.plan.straggles) } else { now });
        if task.ran {
            self.runs.last_mut().expect("the task ran").ended = Some((now, task.end));
        }
        let wall_clock = |at: MonotonicInstant| WallClockTime::from_nanos(at.as_nanos().cast_signed());
        let run = ObservedRun {
            started: wall_clock(task.started),
            finished: wall_clock(now),
            started_at: self.plan.clock.show(task.started),
            finished_at: self.plan.clock.show(now),
            end: task.end,
            start_uncertainty: task.ran.then_some(Duration::ZERO),
            lateness: task.lateness,
            usage: None,
            guest: None,
        };
        let place = |stream, path: &str| OutputPlace { length: self.written(now, stream), path: path.into() };
        let output = place(TaskStream::Output, "/tmp/synexec.out");
        let errors = self.separate.then(|| place(TaskStream::Errors, "/tmp/synexec.err"));
        let lost = self.plan.loses_output.then(|| "the disk was full".to_owned());
        let end = bytes_between(TaskStream::Output, output.length.saturating_sub(9), output.length);
        Some((run, ObservedOutput { place: Some(output), errors, lost, end }))
    }

    /// The progress of the task, if it runs.
    #[must_use]
    pub fn sample(&self, now: MonotonicInstant) -> Option<TaskProgress> {
        let task = self.task.as_ref()?;
        let elapsed = now.since(task.started);
        Some(TaskProgress { elapsed, cpu: elapsed / 2, memory: 4096, output: self.written_to_all(now) })
    }

    /// All bytes that the task writes to its output. No part of them is like the bytes around it.
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        bytes_between(TaskStream::Output, 0, self.plan.writes.into())
    }

    /// All bytes that the task writes to standard error, if that is separate. They are not like those of the output.
    #[must_use]
    pub fn errors(&self) -> Vec<u8> {
        bytes_between(TaskStream::Errors, 0, self.plan.writes_errors.into())
    }

    /// The answer to a FETCH; nothing if the FETCH has to wait for output.
    pub(crate) fn fetch(&self, now: MonotonicInstant, fetch: Fetch, is_over: bool) -> Option<Vec<Message>> {
        if fetch.stream == TaskStream::Errors && !self.separate {
            return Some(vec![Message::OutputNo(Some(Reason::new("one stream")))]);
        }
        let written = self.written(now, fetch.stream);
        let other = self.written_to_all(now) - written;
        let has_news = written > fetch.offset || fetch.other.is_some_and(|had| other > had);
        if fetch.follow && !is_over && !has_news {
            return None;
        }
        let bytes = |from, to| bytes_between(fetch.stream, from, to);
        Some(answer_fetch(bytes, written, is_over, fetch))
    }

    /// The bytes that are written by now to all streams together.
    fn written_to_all(&self, now: MonotonicInstant) -> u64 {
        self.written(now, TaskStream::Output) + self.written(now, TaskStream::Errors)
    }

    /// The bytes of a stream that are written by now.
    fn written(&self, now: MonotonicInstant, stream: TaskStream) -> u64 {
        // The files of a released task are empty, and have replaced those of the task before.
        let run = self.runs.last().filter(|_| self.released.is_none());
        let Some(Run { started, ended }) = run else { return 0 };
        let all = match stream {
            TaskStream::Output => u64::from(self.plan.writes),
            TaskStream::Errors if self.separate => u64::from(self.plan.writes_errors),
            TaskStream::Errors => 0,
        };
        let ran = ended.map_or(now, |(at, _)| at).since(*started).as_nanos();
        let runs = self.plan.runs.as_nanos().max(1);
        u64::try_from(u128::from(all) * ran / runs).map_or(all, |written| written.min(all))
    }

    /// Whether a task is released or runs, or a process of its group is left.
    #[must_use]
    pub fn is_busy(&self, now: MonotonicInstant) -> bool {
        self.task.is_some() || self.released.is_some() || self.group_gone.is_some_and(|gone| now < gone)
    }

    /// When the last process of the last task's group had ended, or the start had failed.
    #[must_use]
    pub fn group_gone(&self) -> Option<MonotonicInstant> {
        self.group_gone
    }
}

fn bytes_between(stream: TaskStream, from: u64, to: u64) -> Vec<u8> {
    let bytes = (from..to).map(|at| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]);
    match stream {
        TaskStream::Output => bytes.collect(),
        TaskStream::Errors => bytes.map(|byte| !byte).collect(),
    }
}
