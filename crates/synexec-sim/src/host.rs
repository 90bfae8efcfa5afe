//! The operating system beneath a slave: it stores confs and runs tasks as its [`Plan`] says.

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::message::{Fetch, Held, Message, OutputMark, OutputPlace, Reason, TaskEnded, TaskProgress};
use synexec_proto::outcome::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_session::slave::StopSignal;

use super::client::HostEvent;
use super::plan::{Plan, Refusal};
use super::time::millis;

/// Time in which a process dies of a signal.
const DEATH: Duration = millis(1);

/// Bytes of output in one part.
const OUTPUT_PART: usize = 5000;

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
    /// Whether a task is held.
    held: bool,
    /// The task that was let go and has not run yet.
    released: Option<Released>,
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
struct Released {
    number: u32,
    at: Option<MonotonicInstant>,
    /// A signal that ends it before its first instruction.
    killed: Option<TaskEnd>,
}

#[derive(Debug, Clone, Copy)]
struct Process {
    number: u32,
    started: MonotonicInstant,
    /// How long after its instant, if it had one.
    lateness: Option<Duration>,
    ran: bool,
    end: TaskEnd,
}

impl Host {
    pub fn new(plan: Plan) -> Self {
        let (confs, runs) = (Vec::new(), Vec::new());
        Self { plan, confs, runs, storing: None, number: 0, held: false, released: None, task: None, group_gone: None }
    }

    pub fn begin_conf(&mut self) {
        self.storing = Some(Vec::new());
    }

    pub fn store(&mut self, bytes: &[u8]) {
        self.storing.as_mut().expect("a conf has begun").extend_from_slice(bytes);
    }

    pub fn discard_conf(&mut self) {
        (self.storing, self.held) = (None, false);
        self.number += 1;
    }

    pub fn end_conf(&mut self) -> (Duration, HostEvent) {
        self.confs.push(self.storing.take().expect("a conf has begun"));
        self.hold()
    }

    pub fn hold(&mut self) -> (Duration, HostEvent) {
        (self.number, self.held) = (self.number + 1, false);
        (self.plan.prepares, HostEvent::Prepared(self.number))
    }

    /// The answer to a conf that has not been discarded since.
    pub fn prepared(&mut self, number: u32) -> Option<Result<Held, Reason>> {
        if number != self.number {
            return None;
        }
        self.held = self.plan.refusal != Some(Refusal::Conf);
        Some(if self.held { Ok(Held::AtFirstInstruction) } else { Err(Reason::new("not here")) })
    }

    /// Kills what is held; tells whether there was anything.
    pub fn lose_held_task(&mut self) -> bool {
        std::mem::take(&mut self.held)
    }

    /// Lets the held task go at an instant of the world, or at once.
    pub fn release(&mut self, now: MonotonicInstant, at: Option<MonotonicInstant>) -> (Duration, HostEvent) {
        assert!(std::mem::take(&mut self.held), "released what is not held");
        self.number += 1;
        self.released = Some(Released { number: self.number, at, killed: None });
        let wait = at.map_or(Duration::ZERO, |at| at.since(now));
        (wait + self.plan.spawns, HostEvent::Spawned(self.number))
    }

    /// The instant that this task is to start at, while it is waited for.
    pub fn waits_for_instant(&self, number: u32) -> bool {
        self.released.is_some_and(|released| released.number == number && released.at.is_some())
    }

    /// The task's start, unless it has already been; gives its end that follows.
    pub fn spawn(&mut self, now: MonotonicInstant, number: u32) -> Option<Result<(Duration, HostEvent), Reason>> {
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

    /// Signals the process group; gives the end that follows, if one does.
    pub fn signal(&mut self, now: MonotonicInstant, signal: StopSignal) -> Option<(Duration, HostEvent)> {
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

    /// The end of this task, unless it has ended before.
    pub fn end(&mut self, now: MonotonicInstant, number: u32) -> Option<TaskEnded> {
        let task = self.task.take_if(|task| task.number == number)?;
        self.group_gone.get_or_insert(if task.ran { now.plus(self.plan.straggles) } else { now });
        if task.ran {
            self.runs.last_mut().expect("it ran").ended = Some((now, task.end));
        }
        let wall_clock = |at: MonotonicInstant| WallClockTime::from_nanos(at.as_nanos().cast_signed());
        Some(TaskEnded {
            started: wall_clock(task.started),
            finished: wall_clock(now),
            started_at: self.plan.clock.show(task.started),
            finished_at: self.plan.clock.show(now),
            end: task.end,
            start_uncertainty: task.ran.then_some(Duration::ZERO),
            lateness: task.lateness,
            usage: None,
            guest: None,
            output: Some(OutputPlace { length: self.written(now), path: "/tmp/synexec.out".into() }),
            was_stopped: false,
        })
    }

    /// How far the task is, unless it has ended.
    pub fn sample(&self, now: MonotonicInstant) -> Option<TaskProgress> {
        let task = self.task.as_ref()?;
        let elapsed = now.since(task.started);
        Some(TaskProgress { elapsed, cpu: elapsed / 2, memory: 4096, output: self.written(now) })
    }

    /// All that the task writes: what is not like anything around it.
    pub fn output(&self) -> Vec<u8> {
        output_between(0, self.plan.writes.into())
    }

    /// What a fetch gets; nothing where it has to wait.
    pub fn fetch(&self, now: MonotonicInstant, fetch: Fetch, is_over: bool) -> Option<Vec<Message>> {
        let written = self.written(now);
        if fetch.follow && !is_over && written <= fetch.offset {
            return None;
        }
        let until = fetch.offset.saturating_add(fetch.length.into()).min(written);
        let bytes = output_between(fetch.offset, until);
        let is_end = is_over && until == written;
        let digest = is_end.then(|| Digest::of(&output_between(0, until)));
        let parts = bytes.chunks(OUTPUT_PART).map(|part| Message::OutputPart(part.to_vec()));
        let mark = Message::OutputMark(OutputMark { position: until, is_end, digest });
        Some(parts.chain([mark]).collect())
    }

    /// How much of it is written by now.
    fn written(&self, now: MonotonicInstant) -> u64 {
        let Some(Run { started, ended }) = self.runs.last() else { return 0 };
        let all = u64::from(self.plan.writes);
        let ran = ended.map_or(now, |(at, _)| at).since(*started).as_nanos();
        let runs = self.plan.runs.as_nanos().max(1);
        u64::try_from(u128::from(all) * ran / runs).map_or(all, |written| written.min(all))
    }

    /// Whether anybody of the task's process group is left.
    pub fn is_busy(&self, now: MonotonicInstant) -> bool {
        self.task.is_some() || self.released.is_some() || self.group_gone.is_some_and(|gone| now < gone)
    }

    /// When the last of the group was gone, or the start had failed.
    pub fn group_gone(&self) -> Option<MonotonicInstant> {
        self.group_gone
    }
}

fn output_between(from: u64, to: u64) -> Vec<u8> {
    (from..to).map(|at| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect()
}
