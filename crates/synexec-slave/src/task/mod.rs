//! A task, which lives on a thread of its own: only the thread that traces a process may let it go.

mod thread;

use std::sync::mpsc::{Sender, SyncSender, channel};
use std::time::Duration;

use nix::sys::signal::Signal;
use synexec_host::events::tell;
use synexec_host::process::{ProcessGroup, Sample, Start, Task, TaskCommand, family};
use synexec_proto::message::{Guest, Held, Reason, TaskEnded};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};

use crate::dispatcher::Event;

/// One task, so that what is left of an old one is not taken for the new one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskId(pub u64);

/// What the thread tells.
#[derive(Debug)]
pub enum TaskEvent {
    /// The task is held, or cannot be run.
    Held(Result<(Held, ProcessGroup), Reason>),
    /// The task was killed while it was held.
    Died(Reason),
    /// The task runs, or could not be started.
    Started(Result<(), Reason>),
    /// The task's first process has ended.
    Ended(EndedTask),
}

/// When a task is to start.
#[derive(Debug, Clone, Copy)]
enum When {
    AtOnce,
    /// An instant of this host's clock.
    At(MonotonicInstant),
}

/// What the thread is told.
#[derive(Debug)]
enum Order {
    /// Let the task go.
    Release(When),
    /// Do not wait for the instant: the task has been sent a signal that ends it before its first instruction.
    Hurry,
}

/// A task on its thread. Dropping it while the task is held ends it.
#[derive(Debug)]
pub struct TaskThread {
    id: TaskId,
    orders: Sender<Order>,
    group: Option<ProcessGroup>,
    released: bool,
}

/// A task whose first process has ended and still has to be reaped.
#[derive(Debug)]
pub struct EndedTask {
    task: Task,
    /// None when it ended before its first instruction.
    start: Option<Start>,
    released: MonotonicInstant,
    lateness: Option<Duration>,
    started: WallClockTime,
    finished: WallClockTime,
    finished_at: MonotonicInstant,
    guest: Guest,
}

impl TaskThread {
    /// Starts a thread that holds the task; [`TaskEvent::Held`] follows.
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn start(id: TaskId, command: TaskCommand, events: SyncSender<Event>) -> Result<Self, Reason> {
        let (orders, inbox) = channel();
        let tell = move |event| tell(&events, Event::Task { task: id, event });
        let run = move || thread::run(command, &inbox, tell);
        let thread = std::thread::Builder::new().name("task".into()).spawn(run);
        thread.map_err(|error| Reason::new(&format!("cannot start a thread for the task: {error}")))?;
        Ok(Self { id, orders, group: None, released: false })
    }

    /// Which task it is.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The task is held, as this process group.
    pub fn is_held_as(&mut self, group: ProcessGroup) {
        self.group = Some(group);
    }

    /// Lets the task go, at an instant or at once. Only a start at once is told.
    pub fn release(&mut self, at: Option<MonotonicInstant>) {
        self.released = true;
        self.order(Order::Release(at.map_or(When::AtOnce, When::At)));
    }

    /// Its first process has been reaped, and the group's number can come to mean another.
    pub fn has_ended(&mut self) {
        self.group = None;
    }

    /// Sends the task's process group a signal, also while it waits for its start; gives the group.
    pub fn signal(&self, signal: Signal) -> Option<ProcessGroup> {
        if let Some(Err(error)) = self.group.map(|group| group.signal(signal)) {
            log::error!("cannot send the task {signal}: {error}");
        }
        self.order(Order::Hurry);
        self.group
    }

    /// How far the task is; none when it is gone.
    pub fn sample(&self) -> Option<Sample> {
        self.group?.sample()
    }

    fn order(&self, order: Order) {
        // A task that has ended needs no orders any more.
        let _ = self.orders.send(order);
    }
}

impl Drop for TaskThread {
    fn drop(&mut self) {
        // The thread ends a held task too, but only when it gets to it. Until then it keeps its process id.
        if !self.released
            && let Some(Err(error)) = self.group.map(|group| group.signal(Signal::SIGKILL))
        {
            log::error!("cannot end a task that was held: {error}");
        }
    }
}

impl EndedTask {
    /// Reaps the process; gives its life, and whether others of its family are left.
    pub fn reap(self) -> (TaskEnded, bool) {
        let (end, usage) = match self.task.reap_with_usage() {
            Ok((end, usage)) => (end, Some(usage)),
            Err(error) => {
                log::error!("cannot learn how the task ended: {error}");
                (TaskEnd::Exited(u8::MAX), None)
            }
        };
        let ended = TaskEnded {
            started: self.started,
            finished: self.finished,
            started_at: self.start.map_or(self.released, |start| start.at),
            finished_at: self.finished_at,
            end,
            start_uncertainty: self.start.map(|start| start.uncertainty),
            lateness: self.lateness,
            usage,
            guest: Some(self.guest),
            output: None,
            was_stopped: false,
        };
        (ended, !family::is_gone())
    }
}
