//! The one thread that owns the slave's state: events in, decisions by [`Slave`], actions out.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use synexec_host::clock::monotonic_now;
use synexec_host::events::{self, Events, tell};
use synexec_host::exit::ExitStatus;
use synexec_host::process::family;
use synexec_host::random;
use synexec_host::signals::BlockedSignals;
use synexec_proto::message::{ConfBegin, Fetch, Message, Reason, TaskProgress};
use synexec_proto::secure::Sealer;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::transport::{Outbox, Progress, Sealing};
use synexec_proto::wire::SessionId;
use synexec_session::slave::{self, Action, ExitCause, Slave, StopSignal};

use crate::conf_store::{ConfStore, Prepared, Surroundings};
use crate::network::Network;
use crate::options::Options;
use crate::output::WrittenOutput;
use crate::output_file::{Earlier, OutputFile};
use crate::slave_log::SlaveLog;
use crate::task::{TaskEvent, TaskId, TaskThread};
use crate::work_dir::WorkDir;

/// Events that may wait. A reader that is faster than the disk waits, and so does its sender.
const EVENTS_MAX: usize = 16;

/// One connection, so that what is left of an old one is not taken for the new one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkId(u64);

/// How long a slave that ends waits for what it has to say to be sent.
const LEAVE_TIME: Duration = Duration::from_secs(2);

/// What the threads tell.
#[derive(Debug)]
pub enum Event {
    /// Something the state machine knows what to do with.
    Slave(slave::Event),
    /// A connection stands; with a key, both sides have shown it.
    Linked { link: LinkId, stream: Arc<TcpStream>, sealer: Option<Sealer>, master: SocketAddr },
    /// Something that happened on a connection.
    Link { link: LinkId, event: slave::Event },
    /// Something that happened to a task.
    Task { task: TaskId, event: TaskEvent },
}

pub struct Dispatcher {
    slave: Slave,
    session: SessionId,
    name: String,
    network: Network,
    work_dir: Rc<WorkDir>,
    events: Events<Event>,
    sender: SyncSender<Event>,
    link: LinkId,
    outbox: Option<Outbox>,
    storing: Option<ConfStore>,
    prepared: Option<Prepared>,
    tasks: u64,
    task: Option<TaskThread>,
    /// Of a task that is held and not yet released.
    output: Option<OutputFile>,
    /// Of the task that was released last, and when that was.
    written: Option<(WrittenOutput, MonotonicInstant)>,
    /// What its output has replaced, until it has ended.
    earlier: Option<Earlier>,
    /// Why a signal could not be sent, as the user knows.
    unsignalled: Option<String>,
    log: SlaveLog,
}

impl Dispatcher {
    pub fn new(options: &Options, network: Network, work_dir: WorkDir, signals: BlockedSignals) -> Result<Self> {
        let (sender, events) = events::queue(EVENTS_MAX);
        let to_dispatcher = sender.clone();
        let forward = move |interrupt| tell(&to_dispatcher, Event::Slave(slave::Event::Shutdown(interrupt)));
        signals.forward(forward).context("cannot start a thread")?;
        let settings = slave::Settings {
            name: options.name.clone(),
            instance: u64::from_ne_bytes(random::bytes().context("the kernel gives no random numbers")?),
            dials: options.master.is_some(),
            once: options.once,
            reconnect: options.common.reconnect(),
            max_conf: options.max_conf,
            keeps_orphans: options.keeps_orphans(),
        };
        Ok(Self {
            slave: Slave::new(settings, monotonic_now()),
            session: options.common.session(),
            name: options.name.clone(),
            network,
            work_dir: Rc::new(work_dir),
            events,
            sender,
            link: LinkId(0),
            outbox: None,
            storing: None,
            prepared: None,
            tasks: 0,
            task: None,
            output: None,
            written: None,
            earlier: None,
            unsignalled: None,
            log: SlaveLog::default(),
        })
    }

    /// Serves masters until the slave has a reason to end.
    pub fn run(mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.act() {
                return Ok(status);
            }
            match self.events.next(self.slave.deadline())? {
                Some(event) => self.take(event),
                None => self.slave.advance(monotonic_now()),
            }
        }
    }

    fn take(&mut self, event: Event) {
        let event = match event {
            Event::Slave(event) => {
                if matches!(event, slave::Event::ListenFailed { .. }) {
                    self.network.stop_listening();
                }
                event
            }
            Event::Linked { link, stream, sealer, master } if link == self.link => {
                self.network.stop_listening();
                self.outbox = Some(self.outbox_for(stream, sealer));
                slave::Event::Connected { master }
            }
            Event::Link { link, event } if link == self.link => event,
            Event::Linked { stream, .. } => {
                // It stands too late; its thread is to end.
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            Event::Link { .. } => return,
            Event::Task { task, event } => match self.task_event(task, event) {
                Some(event) => event,
                None => return,
            },
        };
        self.slave.handle(monotonic_now(), event);
    }

    /// What is told of a task that is not wanted any more is of no interest.
    fn task_event(&mut self, id: TaskId, event: TaskEvent) -> Option<slave::Event> {
        let task = self.task.as_mut().filter(|task| task.id() == id)?;
        Some(match event {
            TaskEvent::Held(Ok((held, group))) => {
                task.is_held_as(group);
                slave::Event::Prepared(Ok(held))
            }
            TaskEvent::Held(Err(reason)) => slave::Event::Prepared(Err(reason)),
            TaskEvent::Died(reason) => slave::Event::HeldTaskDied(reason),
            TaskEvent::Started(result) => {
                if result.is_err() {
                    self.free_earlier();
                }
                slave::Event::Started(result)
            }
            TaskEvent::Ended(ended) => {
                let (mut ended, stragglers) = ended.reap();
                task.has_ended();
                ended.output = self.written.as_ref().map(|(output, _)| output.end());
                self.free_earlier();
                slave::Event::TaskEnded { ended, stragglers }
            }
        })
    }

    fn outbox_for(&self, stream: Arc<TcpStream>, sealer: Option<Sealer>) -> Outbox {
        let (link, events) = (self.link, self.sender.clone());
        let listener = move |progress| {
            if let Progress::Failed(why) = progress {
                tell(&events, Event::Link { link, event: slave::Event::Disconnected(why) });
            }
        };
        let sealing = sealer.map_or(Sealing::No, |sealer| Sealing::By(Arc::new(sealer)));
        Outbox::new(stream, self.session, sealing, Arc::new(listener))
    }

    /// Carries out what the state machine wants, until it wants nothing more or wants to end.
    fn act(&mut self) -> Option<ExitStatus> {
        while let Some(action) = self.slave.next_action() {
            match action {
                Action::Listen => self.listen(),
                Action::Connect(invited_by) => self.connect(invited_by),
                Action::Send(message) => self.send(&message),
                Action::Disconnect => self.disconnect(),
                Action::Leave => self.outbox.take().into_iter().for_each(|outbox| outbox.finish(LEAVE_TIME)),
                Action::BeginConf(place) => self.begin_conf(place),
                Action::StoreConf(bytes) => self.storing.iter_mut().for_each(|store| store.store(&bytes)),
                Action::EndConf => self.end_conf(),
                Action::Hold { round } => self.hold(round),
                Action::Discard => self.discard(),
                Action::DropHeld => self.drop_task(),
                Action::Abandon => self.prepared.take().into_iter().for_each(Prepared::abandon),
                Action::Release { at } => self.release(at),
                Action::Signal(signal) => self.signal(signal),
                Action::CheckStragglers => self.check_stragglers(),
                Action::Sample => self.sample(),
                Action::SendOutput { fetch, is_over } => self.send_output(fetch, is_over),
                Action::Tell(notice) => self.log.tell(notice),
                Action::Exit(cause) => return Some(status_of(cause)),
            }
        }
        None
    }

    fn listen(&mut self) {
        if let Err(error) = self.network.listen(self.sender.clone()) {
            self.slave.handle(monotonic_now(), slave::Event::ListenFailed { why: error.to_string() });
        }
    }

    fn connect(&mut self, invited_by: Option<SocketAddr>) {
        self.link = LinkId(self.link.0 + 1);
        if let Err(error) = self.network.connect(invited_by, self.link, self.sender.clone()) {
            self.slave.handle(monotonic_now(), slave::Event::ConnectFailed { why: error.to_string() });
        }
    }

    fn send(&mut self, message: &Message) {
        let Some(outbox) = &mut self.outbox else { return };
        let sent = match message.encode() {
            Ok(frame) => outbox.send(&frame),
            Err(error) => return log::error!("{error}"),
        };
        if let Err(why) = sent {
            self.slave.handle(monotonic_now(), slave::Event::Disconnected(why));
        }
    }

    fn disconnect(&mut self) {
        if let Some(outbox) = self.outbox.take() {
            outbox.close();
        }
        self.link = LinkId(self.link.0 + 1);
    }

    fn begin_conf(&mut self, place: Option<ConfBegin>) {
        self.discard();
        self.storing = Some(ConfStore::new(Rc::clone(&self.work_dir), place));
    }

    fn end_conf(&mut self) {
        let Some(store) = self.storing.take() else { return };
        match store.finish() {
            Ok(prepared) => {
                let round = prepared.has_place().then_some(1);
                self.prepared = Some(prepared);
                self.hold(round);
            }
            Err(reason) => self.cannot_hold(reason),
        }
    }

    fn hold(&mut self, round: Option<u32>) {
        if let Err(reason) = self.try_hold(round) {
            self.cannot_hold(reason);
        }
    }

    fn try_hold(&mut self, round: Option<u32>) -> Result<(), Reason> {
        // What is left of the task before goes first, since it has its output file with it.
        self.drop_task();
        let Some(prepared) = &self.prepared else { return Ok(()) };
        let surroundings = Surroundings { session: self.session.0, name: &self.name, round };
        let (command, output) = prepared.command(surroundings)?;
        self.tasks += 1;
        self.task = Some(TaskThread::start(TaskId(self.tasks), command, self.sender.clone())?);
        self.output = Some(output);
        Ok(())
    }

    fn cannot_hold(&mut self, reason: Reason) {
        self.slave.handle(monotonic_now(), slave::Event::Prepared(Err(reason)));
    }

    fn discard(&mut self) {
        self.drop_task();
        (self.storing, self.prepared, self.written) = (None, None, None);
    }

    fn release(&mut self, at: Option<MonotonicInstant>) {
        let last = self.written.take().map(|(written, _)| written);
        if let Some(output) = self.output.take() {
            let (written, earlier) = output.begin(last);
            self.written = Some((written, at.unwrap_or_else(monotonic_now)));
            self.earlier = Some(earlier);
        }
        if let Some(task) = &mut self.task {
            task.release(at);
        }
    }

    fn drop_task(&mut self) {
        (self.task, self.output) = (None, None);
        self.free_earlier();
    }

    fn free_earlier(&mut self) {
        self.earlier.take().into_iter().for_each(Earlier::free);
    }

    fn signal(&mut self, signal: StopSignal) {
        let signal = match signal {
            StopSignal::Terminate => Signal::SIGTERM,
            StopSignal::Kill => Signal::SIGKILL,
        };
        let served = self.task.as_ref().and_then(|task| task.signal(signal));
        let failed = family::signal(signal, served).err().map(|error| format!("{signal}: {error}"));
        // It is tried again and again.
        if let Some(why) = failed.as_ref().filter(|_| self.unsignalled != failed) {
            log::error!("cannot send all that the task has started {why}");
        }
        self.unsignalled = failed;
    }

    fn sample(&mut self) {
        let Some(sample) = self.task.as_ref().and_then(TaskThread::sample) else { return };
        let (elapsed, output) = self.written.as_ref().map_or((Duration::ZERO, 0), |(output, released)| {
            (monotonic_now().since(*released), output.length().unwrap_or(0))
        });
        let progress = TaskProgress { elapsed, cpu: sample.cpu, memory: sample.memory, output };
        self.slave.handle(monotonic_now(), slave::Event::Sampled { progress, stopped: sample.stopped });
    }

    fn send_output(&mut self, fetch: Fetch, is_over: bool) {
        let no_output = || Reason::new("the output could not be opened");
        let written = self.written.as_ref().ok_or_else(no_output);
        let answer = written.and_then(|(output, _)| output.answer(fetch, is_over, self.session));
        let event = match (answer, &mut self.outbox) {
            (_, None) => return,
            (Err(reason), _) => slave::Event::OutputFailed(reason),
            (Ok(None), _) => slave::Event::NoOutputYet(fetch),
            (Ok(Some(source)), Some(outbox)) => match outbox.send_stream(source) {
                Ok(()) => return,
                Err(why) => slave::Event::Disconnected(why),
            },
        };
        self.slave.handle(monotonic_now(), event);
    }

    fn check_stragglers(&mut self) {
        if family::is_gone() {
            self.slave.handle(monotonic_now(), slave::Event::StragglersGone);
        }
    }
}

fn status_of(cause: ExitCause) -> ExitStatus {
    match cause {
        ExitCause::Interrupted(interrupt) => ExitStatus::Interrupted(interrupt),
        ExitCause::TaskEnded(end) => ExitStatus::Task(end.shell_status()),
        ExitCause::Declined => ExitStatus::Declined,
        ExitCause::NotStarted => ExitStatus::Lost,
    }
}
