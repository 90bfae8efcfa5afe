//! The conf and its task on this host: carries out what the state machine wants of them.

use std::rc::Rc;
use std::sync::Arc;

use nix::sys::signal::Signal;
use synexec_host::clock::monotonic_now;
use synexec_host::environment::Environment;
use synexec_host::process::signal_descendants;
use synexec_proto::message::{ConfBegin, Fetch, Reason, TaskProgress};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::transport::Source;
use synexec_proto::wire::SessionId;
use synexec_session::slave::{self, ObservedOutput, StopSignal};

use crate::conf_store::{ConfStore, RunnableConf, SessionInfo};
use crate::output_file::OutputFile;
use crate::shortage;
use crate::task::{TaskEvent, TaskThread};
use crate::task_files::{TaskFiles, WrittenStreams};
use crate::work_dir::WorkDir;

/// Numbers one task, so that an event of an old task is not taken for one of the new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskId(u64);

/// Stores confs, and holds and releases their tasks.
pub struct Runner {
    session: SessionId,
    name: String,
    work_dir: Rc<WorkDir>,
    /// The variables that every task has.
    environment: Environment,
    /// The conf that is being received.
    store: Option<ConfStore>,
    conf: Option<RunnableConf>,
    id: TaskId,
    task: Option<TaskThread>,
    files: TaskFiles,
    /// Why the last signal could not be sent, as told to the user.
    signal_failure: Option<String>,
    deliver: Arc<dyn Fn(TaskId, TaskEvent) + Send + Sync>,
}

impl Runner {
    /// A runner without a conf. All tasks have the variables of this environment. The threads of the tasks call `deliver`.
    pub fn new(
        session: SessionId,
        name: String,
        work_dir: WorkDir,
        environment: Environment,
        deliver: impl Fn(TaskId, TaskEvent) + Send + Sync + 'static,
    ) -> Self {
        Self {
            session,
            name,
            work_dir: Rc::new(work_dir),
            environment,
            store: None,
            conf: None,
            id: TaskId(0),
            task: None,
            files: TaskFiles::default(),
            signal_failure: None,
            deliver: Arc::new(deliver),
        }
    }

    /// Takes an event; returns the event for the state machine, or none if the event belongs to a task that is not
    /// wanted any more.
    pub fn take(&mut self, id: TaskId, event: TaskEvent) -> Option<slave::Event> {
        let task = self.task.as_mut().filter(|_| id == self.id)?;
        Some(match event {
            TaskEvent::Held(Ok((held, group))) => {
                task.set_group(group);
                slave::Event::Prepared(Ok(held))
            }
            TaskEvent::Held(Err(reason)) => slave::Event::Prepared(Err(reason)),
            TaskEvent::Died(reason) => slave::Event::HeldTaskDied(reason),
            TaskEvent::Started(result) => {
                if result.is_err() {
                    self.files.free_replaced();
                }
                slave::Event::Started(result)
            }
            TaskEvent::Ended(unreaped) => {
                let lost = shortage::in_words(&unreaped.shortages);
                let (run, stragglers) = unreaped.reap();
                task.forget_group();
                let WrittenStreams { output: place, errors, last_bytes: end } = self.files.end();
                let output = Box::new(ObservedOutput { place, errors, lost, end });
                slave::Event::TaskEnded { run, output, stragglers }
            }
        })
    }

    /// A new conf comes, with this slave's place in the slaveset if the master tells it.
    pub fn begin_conf(&mut self, place: Option<ConfBegin>) {
        self.discard();
        self.store = Some(ConfStore::new(Rc::clone(&self.work_dir), self.environment.clone(), place));
    }

    /// Stores the next bytes of the conf.
    pub fn store_conf(&mut self, bytes: &[u8]) {
        self.store.iter_mut().for_each(|store| store.store(bytes));
    }

    /// The conf is whole: holds its command. Returns an event if this fails.
    pub fn end_conf(&mut self) -> Option<slave::Event> {
        match self.store.take()?.finish() {
            Ok(conf) => {
                let round = conf.has_place().then_some(1);
                self.conf = Some(conf);
                self.hold(round)
            }
            Err(reason) => Some(slave::Event::Prepared(Err(reason))),
        }
    }

    /// Holds the command of the conf. Returns an event if this fails.
    pub fn hold(&mut self, round: Option<u32>) -> Option<slave::Event> {
        let failed = self.try_hold(round).err();
        failed.map(|reason| slave::Event::Prepared(Err(reason)))
    }

    fn try_hold(&mut self, round: Option<u32>) -> Result<(), Reason> {
        // The task before still has its output files, so it goes first.
        self.drop_held();
        let Some(conf) = &self.conf else { return Ok(()) };
        let info = SessionInfo { session: self.session.0, name: &self.name, round };
        let (command, files) = conf.command(info)?;
        self.id = TaskId(self.id.0 + 1);
        let (id, deliver) = (self.id, Arc::clone(&self.deliver));
        let reserve = |file: &OutputFile| file.reserve().map_err(|error| Reason::new(&error.to_string()));
        let reserves = files.try_map(reserve)?;
        self.task = Some(TaskThread::start(command, reserves, move |event| deliver(id, event))?);
        self.files.hold(files);
        Ok(())
    }

    /// Ends the held task, and removes the conf.
    pub fn discard(&mut self) {
        self.drop_held();
        (self.store, self.conf) = (None, None);
        self.files.forget_output();
    }

    /// Ends the held task.
    pub fn drop_held(&mut self) {
        self.task = None;
        self.files.drop_held();
    }

    /// Leaves the conf to its task, which goes on without this program.
    pub fn abandon(&mut self) {
        self.conf.take().into_iter().for_each(RunnableConf::abandon);
    }

    /// Lets the held task go, at an instant or at once.
    pub fn release(&mut self, at: Option<MonotonicInstant>) {
        self.files.release(at.unwrap_or_else(monotonic_now));
        if let Some(task) = &mut self.task {
            task.release(at);
        }
    }

    /// Sends a signal to the task and to all processes that it has started. A failure that repeats is told once,
    /// because the signal is sent again and again.
    pub fn signal(&mut self, signal: StopSignal) {
        let signal = match signal {
            StopSignal::Terminate => Signal::SIGTERM,
            StopSignal::Kill => Signal::SIGKILL,
        };
        let served = self.task.as_ref().and_then(|task| task.signal(signal));
        let failure = signal_descendants(signal, served)
            .err()
            .map(|error| format!("cannot send {signal} to all processes of the task: {error}"));
        if let Some(why) = failure.as_ref().filter(|_| self.signal_failure != failure) {
            log::error!("{why}");
        }
        self.signal_failure = failure;
    }

    /// Samples the task; none if it has ended.
    pub fn sample(&self) -> Option<slave::Event> {
        let sample = self.task.as_ref()?.sample()?;
        let (elapsed, output) = self.files.progress();
        let progress = TaskProgress { elapsed, cpu: sample.cpu, memory: sample.memory, output };
        Some(slave::Event::Sampled { progress, stopped: sample.stopped })
    }

    /// The answer to a fetch, as frames; none if the master waits for new output and there is none.
    ///
    /// # Errors
    /// The output cannot be read. The reason is for the master.
    pub fn output(&self, fetch: Fetch, is_over: bool) -> Result<Option<Source>, Reason> {
        self.files.answer(fetch, is_over, self.session)
    }
}
