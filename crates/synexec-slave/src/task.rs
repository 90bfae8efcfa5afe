//! The thread that holds a task, starts it and waits for its end. All of a task's life is on one thread, since only that
//! which traces it may let it go.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::time::Duration;

use nix::sys::signal::Signal;
use synexec_host::clock::{monotonic_now, wall_clock_now};
use synexec_host::events::tell;
use synexec_host::precedence::Precedence;
use synexec_host::process::{ProcessGroup, Start, Task, TaskCommand};
use synexec_host::timer::{is_core_free, make_precise, sleep_until, stay_awake_until};
use synexec_proto::message::{Held, Reason, TaskEnded};
use synexec_proto::outcome::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};

use crate::dispatcher::Event;

/// This long before its instant a task is only waited for by the clock; until then it can still be told otherwise.
const LAST_SLEEP: Duration = Duration::from_millis(2);

/// How long after the release a task is looked at, to learn when it ran: soon where a core was free for it.
const CALM_LOOK: Duration = Duration::from_micros(200);

/// The same where others want the cores too: when they all have started, so as not to disturb them.
const BUSY_LOOK: Duration = Duration::from_millis(30);

/// One task, so that what is left of an old one is not taken for the new one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskId(pub u64);

/// What the thread tells.
#[derive(Debug)]
pub enum TaskEvent {
    /// The task is held, or cannot be run.
    Held(Result<(Held, ProcessGroup), Reason>),
    /// The task runs, or could not be started.
    Started(Result<(), Reason>),
    /// The task's first process has ended.
    Ended(EndedTask),
}

/// What the thread is told.
#[derive(Debug)]
enum Order {
    /// Let the task go, at an instant or at once.
    Release(Option<MonotonicInstant>),
    /// Do not wait for the instant: the task has been sent a signal that ends it before its first instruction.
    Hurry,
}

/// A task on its thread. Dropping it while the task is held ends it.
#[derive(Debug)]
pub struct TaskThread {
    id: TaskId,
    orders: Sender<Order>,
    group: Option<ProcessGroup>,
}

/// A task whose first process has ended and still has to be reaped.
#[derive(Debug)]
pub struct EndedTask {
    task: Task,
    start: Start,
    lateness: Option<Duration>,
    started: WallClockTime,
    finished: WallClockTime,
    finished_at: MonotonicInstant,
}

impl TaskThread {
    /// Starts a thread that holds the task; [`TaskEvent::Held`] follows.
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn start(id: TaskId, command: TaskCommand, events: SyncSender<Event>) -> Result<Self, Reason> {
        let (orders, inbox) = channel();
        let run = move || run(command, &inbox, |event| tell(&events, Event::Task { task: id, event }));
        let thread = std::thread::Builder::new().name("task".into()).spawn(run);
        thread.map_err(|error| Reason::new(&format!("cannot start a thread for the task: {error}")))?;
        Ok(Self { id, orders, group: None })
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
    pub fn release(&self, at: Option<MonotonicInstant>) {
        self.order(Order::Release(at));
    }

    /// Sends the task's process group a signal, also while it waits for its start.
    pub fn signal(&self, signal: Signal) {
        if let Some(Err(error)) = self.group.map(|group| group.signal(signal)) {
            log::error!("cannot send the task {signal}: {error}");
        }
        self.order(Order::Hurry);
    }

    /// Whether nobody of the task's process group is left.
    pub fn is_empty(&self) -> bool {
        self.group.is_none_or(ProcessGroup::is_empty)
    }

    fn order(&self, order: Order) {
        // A task that has ended needs no orders any more.
        let _ = self.orders.send(order);
    }
}

impl EndedTask {
    /// Reaps the process; gives its life, and whether others of its group are left.
    pub fn reap(self) -> (TaskEnded, bool) {
        let group = self.task.group();
        let end = self.task.reap().unwrap_or_else(|error| {
            log::error!("cannot learn how the task ended: {error}");
            TaskEnd::Exited(u8::MAX)
        });
        let ended = TaskEnded {
            started: self.started,
            finished: self.finished,
            started_at: self.start.at,
            finished_at: self.finished_at,
            end,
            start_uncertainty: self.start.uncertainty,
            lateness: self.lateness,
        };
        (ended, !group.is_empty())
    }
}

fn run(command: TaskCommand, orders: &Receiver<Order>, tell: impl Fn(TaskEvent)) {
    let program = command.program.display().to_string();
    let cannot_run = |error| Reason::new(&format!("cannot run {program}: {error}"));
    let held = match command.hold() {
        Ok(held) => held,
        Err(error) => return tell(TaskEvent::Held(Err(cannot_run(error)))),
    };
    // From here on, since children inherit it.
    make_precise();
    tell(TaskEvent::Held(Ok((held.held(), held.group()))));
    let Some(instant) = await_release(orders) else { return };
    let is_calm = is_core_free();
    let precedence = instant.map(|_| Precedence::take());
    if !await_instant(instant, is_calm, orders) {
        return;
    }
    let (task, release) = match held.release() {
        Ok(released) => released,
        Err(error) => return tell(TaskEvent::Started(Err(cannot_run(error)))),
    };
    if instant.is_none() {
        tell(TaskEvent::Started(Ok(())));
    }
    let look = if is_calm { CALM_LOOK } else { BUSY_LOOK };
    task.wait_for(look);
    drop(precedence);
    let start = release.observe(&task, look);
    see_to_its_end(task, start, instant, tell);
}

/// The instant to start at, if there is one; none at all when the task is not wanted any more.
fn await_release(orders: &Receiver<Order>) -> Option<Option<MonotonicInstant>> {
    loop {
        if let Order::Release(instant) = orders.recv().ok()? {
            return Some(instant);
        }
    }
}

/// Waits until the task is to be let go; tells whether it still is.
fn await_instant(instant: Option<MonotonicInstant>, is_calm: bool, orders: &Receiver<Order>) -> bool {
    let Some(instant) = instant else { return true };
    match orders.recv_timeout(instant.minus(LAST_SLEEP).since(monotonic_now())) {
        Ok(_) => true,
        Err(RecvTimeoutError::Disconnected) => false,
        Err(RecvTimeoutError::Timeout) => {
            if is_calm {
                stay_awake_until(instant)
            } else {
                sleep_until(instant)
            }
            true
        }
    }
}

fn see_to_its_end(task: Task, start: Start, instant: Option<MonotonicInstant>, tell: impl Fn(TaskEvent)) {
    let (now, now_at) = (wall_clock_now(), monotonic_now());
    let started = now.minus(now_at.since(start.at));
    if let Err(error) = task.wait() {
        log::error!("cannot wait for the task: {error}");
    }
    let (finished, finished_at) = (wall_clock_now(), monotonic_now());
    let lateness = instant.map(|instant| start.released.since(instant));
    tell(TaskEvent::Ended(EndedTask { task, start, lateness, started, finished, finished_at }));
}
