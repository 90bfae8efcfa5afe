//! A task on a thread of its own: only the thread that traces a process can let it go.

mod event;
mod thread;

use std::sync::mpsc::{Sender, channel};

use nix::sys::signal::Signal;
use synexec_host::process::{ProcessGroup, Sample, TaskCommand};
use synexec_proto::message::Reason;
use synexec_proto::time::MonotonicInstant;

use self::event::{ThreadCommand, When};
use crate::reserve::Reserve;
use crate::streams::Streams;

pub use self::event::TaskEvent;

/// A task and its thread. Dropping this while the task is held ends the task.
#[derive(Debug)]
pub struct TaskThread {
    commands: Sender<ThreadCommand>,
    /// The process group of the task, as long as its number cannot mean another group.
    group: Option<ProcessGroup>,
    released: bool,
}

impl TaskThread {
    /// Starts a thread that holds the task; [`TaskEvent::Held`] follows. While the task runs, the thread keeps room for
    /// its streams.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn start(
        command: TaskCommand,
        reserves: Streams<Reserve>,
        deliver: impl Fn(TaskEvent) + Send + 'static,
    ) -> Result<Self, Reason> {
        let (commands, inbox) = channel();
        let run = move || thread::run(command, reserves, &inbox, deliver);
        let thread = std::thread::Builder::new().name("task".into()).spawn(run);
        thread.map_err(|error| Reason::new(&format!("cannot start a thread for the task: {error}")))?;
        Ok(Self { commands, group: None, released: false })
    }

    /// The task is held, and this is its process group.
    pub fn set_group(&mut self, group: ProcessGroup) {
        self.group = Some(group);
    }

    /// The task's first process has been reaped, so the number of its group can come to mean another group.
    pub fn forget_group(&mut self) {
        self.group = None;
    }

    /// Lets the task go, at an instant or at once. [`TaskEvent::Started`] follows only after a start at once, or if the
    /// start fails.
    pub fn release(&mut self, at: Option<MonotonicInstant>) {
        self.released = true;
        self.send(ThreadCommand::Release(at.map_or(When::AtOnce, When::At)));
    }

    /// Sends the task's process group a signal, also while it waits for its start; gives the group.
    pub fn signal(&self, signal: Signal) -> Option<ProcessGroup> {
        if let Some(Err(error)) = self.group.map(|group| group.signal(signal)) {
            log::error!("cannot send {signal} to the task: {error}");
        }
        self.send(ThreadCommand::Hurry);
        self.group
    }

    /// The resources that the task has used so far; none if it has ended.
    pub fn sample(&self) -> Option<Sample> {
        self.group?.sample()
    }

    fn send(&self, command: ThreadCommand) {
        // A task that has ended needs no commands.
        let _ = self.commands.send(command);
    }
}

impl Drop for TaskThread {
    fn drop(&mut self) {
        // The thread ends a held task too, but not at once. Until then the task keeps its process id.
        if !self.released
            && let Some(Err(error)) = self.group.map(|group| group.signal(Signal::SIGKILL))
        {
            log::error!("cannot end a task that was held: {error}");
        }
    }
}
