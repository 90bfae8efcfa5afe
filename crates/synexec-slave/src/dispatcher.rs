//! The one thread that owns the slave's state: it takes events, lets [`Slave`] decide, and has the actions carried out.

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::mpsc::SyncSender;

use synexec_host::clock::monotonic_now;
use synexec_host::environment::Environment;
use synexec_host::events::{self, Events};
use synexec_host::exit::ExitStatus;
use synexec_host::log_limit;
use synexec_host::process::{Descendants, reap_adopted};
use synexec_host::random;
use synexec_host::signals::BlockedSignals;
use synexec_proto::message::{Fetch, Message};
use synexec_session::interrupt::Interrupt;
use synexec_session::slave::{self, Action, ExitCause, Slave};

use crate::failure::Failure;
use crate::master_link::{LinkEvent, MasterLink};
use crate::network::Network;
use crate::options::Options;
use crate::runner::{Runner, TaskId};
use crate::slave_log;
use crate::task::TaskEvent;
use crate::work_dir::WorkDir;

/// Most events that wait. A reader that is faster than the disk waits, and so does its sender.
const EVENTS_MAX: usize = 16;

/// An event from another thread.
#[derive(Debug)]
enum Event {
    Shutdown(Interrupt),
    Link(LinkEvent),
    Task(TaskId, TaskEvent),
}

/// The state machine, the two parts that carry out its actions, and the events of all threads.
pub struct Dispatcher {
    slave: Slave,
    link: MasterLink,
    runner: Runner,
    events: Events<Event>,
}

impl Dispatcher {
    /// A slave as the options say, in discovery.
    ///
    /// # Errors
    /// The system starts no thread.
    pub fn new(
        options: &Options,
        network: Network,
        work_dir: WorkDir,
        signals: BlockedSignals,
    ) -> Result<Self, Failure> {
        let (sender, events) = events::queue(EVENTS_MAX);
        let (session, name) = (options.common.session(), options.name.clone());
        signals.forward(delivering(&sender, Event::Shutdown)).map_err(Failure::StartThread)?;
        let to_dispatcher = sender.clone();
        let environment = Environment::of_tasks(work_dir.tasks_user(), &options.pass_env);
        let deliver_task = move |id, event| events::deliver(&to_dispatcher, Event::Task(id, event));
        Ok(Self {
            slave: Slave::new(settings(options), monotonic_now()),
            link: MasterLink::new(network, session, delivering(&sender, Event::Link)),
            runner: Runner::new(session, name, work_dir, environment, deliver_task),
            events,
        })
    }

    /// Serves masters until the slave has a reason to end.
    ///
    /// # Errors
    /// If no thread is left.
    pub fn run(mut self) -> Result<ExitStatus, Failure> {
        loop {
            if let Some(status) = self.act() {
                return Ok(status);
            }
            log_limit::tell_counts();
            let next_look = log_limit::next_look();
            match self.events.next(Some(self.slave.deadline().map_or(next_look, |due| due.min(next_look))))? {
                Some(event) => self.take(event),
                None => self.slave.advance(monotonic_now()),
            }
        }
    }

    fn take(&mut self, event: Event) {
        let event = match event {
            Event::Shutdown(interrupt) => Some(slave::Event::Shutdown(interrupt)),
            Event::Link(event) => self.link.take(event),
            Event::Task(id, event) => self.runner.take(id, event),
        };
        self.handle(event);
    }

    fn handle(&mut self, event: Option<slave::Event>) {
        if let Some(event) = event {
            self.slave.handle(monotonic_now(), event);
        }
    }

    /// Carries out the actions of the state machine, until there is none left or the program ends.
    fn act(&mut self) -> Option<ExitStatus> {
        while let Some(action) = self.slave.next_action() {
            match self.carry_out(action) {
                Continue(event) => self.handle(event),
                Break(status) => return Some(status),
            }
        }
        None
    }

    /// Carries out one action. Continues with the event that follows at once, if one does; breaks off when the
    /// program ends.
    fn carry_out(&mut self, action: Action) -> ControlFlow<ExitStatus, Option<slave::Event>> {
        match action {
            Action::Listen => return Continue(self.link.listen()),
            Action::Connect(invited_by) => return Continue(self.link.connect(invited_by)),
            Action::ConnectSecond(master) => return Continue(self.link.connect_second(master)),
            Action::Send(message) => return Continue(self.send(&message)),
            Action::SendOnSecond(message) => {
                return Continue(self.link.send_on_second(&message).err().map(slave::Event::SecondEnded));
            }
            Action::EndConf => return Continue(self.runner.end_conf()),
            Action::Hold { round } => return Continue(self.runner.hold(round)),
            Action::Sample => return Continue(self.runner.sample()),
            Action::SendOutput { fetch, is_over } => return Continue(self.send_output(fetch, is_over)),
            Action::CheckStragglers => {
                return Continue((reap_adopted() == Descendants::Gone).then_some(slave::Event::StragglersGone));
            }
            Action::Disconnect => self.link.disconnect(),
            Action::CloseSecond => self.link.close_second(),
            Action::UseSecond => self.link.use_second(),
            Action::BeginConf(place) => self.runner.begin_conf(place),
            Action::StoreConf(bytes) => self.runner.store_conf(&bytes),
            Action::Discard => self.runner.discard(),
            Action::DropHeld => self.runner.drop_held(),
            Action::Abandon => self.runner.abandon(),
            Action::Release { at } => self.runner.release(at),
            Action::Signal(signal) => self.runner.signal(signal),
            Action::Tell(notice) => slave_log::tell(&notice),
            Action::Exit(cause) => return Break(self.exit(cause)),
        }
        Continue(None)
    }

    fn exit(&mut self, cause: ExitCause) -> ExitStatus {
        self.link.leave();
        log_limit::tell_rest();
        status_of(cause)
    }

    fn send(&mut self, message: &Message) -> Option<slave::Event> {
        self.link.send(message).err().map(slave::Event::Disconnected)
    }

    fn send_output(&mut self, fetch: Fetch, is_over: bool) -> Option<slave::Event> {
        if !self.link.is_open() {
            return None;
        }
        match self.runner.output(fetch, is_over) {
            Ok(Some(source)) => self.link.send_stream(source).err().map(slave::Event::Disconnected),
            Ok(None) => Some(slave::Event::NoOutputYet(fetch)),
            Err(reason) => Some(slave::Event::OutputFailed(reason)),
        }
    }
}

/// A closure that delivers the events of one source to the dispatcher.
fn delivering<E>(sender: &SyncSender<Event>, wrap: fn(E) -> Event) -> impl Fn(E) + Send + Sync + use<E> {
    let sender = sender.clone();
    move |event| events::deliver(&sender, wrap(event))
}

fn settings(options: &Options) -> slave::SlaveSettings {
    slave::SlaveSettings {
        name: options.name.clone(),
        instance: random::unique_number(),
        rank: options.rank,
        dials: options.master.is_some(),
        once: options.once,
        reconnect: options.common.reconnect(),
        max_conf: options.max_conf,
        keeps_orphans: options.keeps_orphans(),
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
