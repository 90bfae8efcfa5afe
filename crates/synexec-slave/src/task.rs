//! The thread that starts a task and waits for its end.

use std::sync::mpsc::SyncSender;

use synexec_host::clock::{monotonic_now, wall_clock_now};
use synexec_host::events::tell;
use synexec_host::process::{Task, TaskCommand};
use synexec_proto::message::{Reason, TaskEnded};
use synexec_proto::outcome::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};

use crate::dispatcher::Event;

/// An instant on both clocks.
#[derive(Debug, Clone, Copy)]
struct Moment {
    wall_clock: WallClockTime,
    monotonic: MonotonicInstant,
}

/// A task whose first process has ended and still has to be reaped.
#[derive(Debug)]
pub struct EndedTask {
    task: Task,
    started: Moment,
    finished: Moment,
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
            started: self.started.wall_clock,
            finished: self.finished.wall_clock,
            started_at: self.started.monotonic,
            finished_at: self.finished.monotonic,
            end,
        };
        (ended, !group.is_empty())
    }
}

/// Starts the task in a thread of its own, which tells its start and its end.
pub fn launch(command: TaskCommand, events: SyncSender<Event>) -> Result<(), Reason> {
    let run = move || run(command, &events);
    let thread = std::thread::Builder::new().name("task".into()).spawn(run);
    thread.map(|_| ()).map_err(|error| Reason::new(&format!("cannot start a thread for the task: {error}")))
}

fn run(command: TaskCommand, events: &SyncSender<Event>) {
    let program = command.program.clone();
    let started = Moment::now();
    let task = match command.spawn() {
        Ok(task) => task,
        Err(error) => {
            let reason = Reason::new(&format!("cannot run {}: {error}", program.display()));
            tell(events, Event::TaskStarted(Err(reason)));
            return;
        }
    };
    tell(events, Event::TaskStarted(Ok(task.group())));
    if let Err(error) = task.wait() {
        log::error!("cannot wait for the task: {error}");
    }
    let finished = Moment::now();
    tell(events, Event::TaskEnded(EndedTask { task, started, finished }));
}

impl Moment {
    fn now() -> Self {
        Self { wall_clock: wall_clock_now(), monotonic: monotonic_now() }
    }
}
