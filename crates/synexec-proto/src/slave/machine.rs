//! The slave's state, and what each event does to it.

use std::collections::VecDeque;
use std::time::Duration;

use super::task::{Due, Task};
use super::{Action, Event, ExitCause, Notice, Settings, StopSignal};
use crate::master::Interrupt;
use crate::message::{
    CONF_MAX, Capabilities, ConfBegin, Feature, Features, FinishedRecord, Message, Reason, TaskEnded,
};
use crate::session::Disconnect;
use crate::time::MonotonicInstant;
use crate::wire::Frame;

/// Time between two attempts to reach a given master, or to listen; short enough to be back within a second.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// One slave, for as long as its program runs.
#[derive(Debug)]
pub struct Slave {
    settings: Settings,
    link: Link,
    conf: Conf,
    task: Task,
    /// What `--once` needs to know of the session: the last thing that happened in it.
    session: Option<ExitCause>,
    unreported: Option<TaskEnded>,
    shutdown: Option<Interrupt>,
    actions: VecDeque<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Listening,
    RetryAt(MonotonicInstant),
    Connecting,
    Connected(Features),
    /// The connection is gone, the task not yet.
    Gone,
    Exited,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conf {
    None,
    Receiving { left: u64 },
    Preparing,
    Ready,
}

impl Slave {
    /// A slave in discovery. It dials or listens at once.
    pub fn new(settings: Settings, now: MonotonicInstant) -> Self {
        let mut slave = Self {
            settings,
            link: Link::Gone,
            conf: Conf::None,
            task: Task::Idle,
            session: None,
            unreported: None,
            shutdown: None,
            actions: VecDeque::new(),
        };
        slave.discover(now);
        slave
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: MonotonicInstant, event: Event) {
        match event {
            Event::Invited { master } if self.link == Link::Listening => {
                self.link = Link::Connecting;
                self.push(Action::Connect(Some(master)));
            }
            Event::Connected { master } if self.link == Link::Connecting => {
                self.link = Link::Connected(Features::NONE);
                self.tell(Notice::Connected(master));
                let hello = Capabilities::ours(&self.settings.name);
                self.send(Message::Reply(Some(hello)));
            }
            Event::ConnectFailed { why } if self.link == Link::Connecting => {
                self.tell(Notice::ConnectFailed(why));
                self.link = Link::Gone;
                self.settle(now.plus(RETRY_INTERVAL));
            }
            Event::ListenFailed { why } if self.link == Link::Listening => {
                self.tell(Notice::ListenFailed(why));
                self.link = Link::RetryAt(now.plus(RETRY_INTERVAL));
            }
            Event::Received(frame) => self.received(now, frame),
            Event::Disconnected(why) => self.disconnected(now, why),
            Event::Prepared(result) => self.prepared(result),
            Event::Started(result) => self.started(now, result),
            Event::TaskEnded { ended, stragglers } => self.ended(now, &ended, stragglers),
            Event::StragglersGone => {
                self.task.ended(now, false);
                self.settle(now);
            }
            Event::Shutdown(interrupt) => self.shut_down(now, interrupt),
            Event::Invited { .. }
            | Event::ListenFailed { .. }
            | Event::Connected { .. }
            | Event::ConnectFailed { .. } => {}
        }
    }

    /// Does what is due at this instant.
    pub fn advance(&mut self, now: MonotonicInstant) {
        if let Link::RetryAt(at) = self.link
            && now >= at
        {
            self.try_discovery();
        }
        let due = self.task.advance(now);
        self.carry_out(due);
        self.settle(now);
    }

    /// When to call [`Self::advance`] next.
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        let retry = if let Link::RetryAt(at) = self.link { Some(at) } else { None };
        retry.into_iter().chain(self.task.deadline()).min()
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn received(&mut self, now: MonotonicInstant, frame: Frame) {
        let Link::Connected(features) = self.link else { return };
        match Message::decode(frame, features) {
            Ok(message) => self.obey(now, message),
            Err(malformed) => self.disconnected(now, malformed.into()),
        }
    }

    fn obey(&mut self, now: MonotonicInstant, message: Message) {
        match message {
            Message::Probe(capabilities) => self.probed(capabilities),
            Message::Conf(bytes) => self.conf(bytes),
            Message::ConfBegin(begin) => self.conf_begin(begin),
            Message::ConfPart(bytes) => self.conf_part(bytes),
            Message::Exec => self.exec(),
            Message::Stop => self.stop(now),
            _ => {}
        }
    }

    fn probed(&mut self, capabilities: Option<Capabilities>) {
        if let Some(Capabilities { features, name, .. }) = capabilities {
            self.link = Link::Connected(Features::ours().agreed_with(features));
            self.tell(Notice::Commanded { by: name });
        }
        self.send(Message::Reply(None));
    }

    fn conf(&mut self, bytes: Vec<u8>) {
        if self.accepts_conf() {
            self.push(Action::BeginConf(None));
            self.push(Action::StoreConf(bytes));
            self.end_conf();
        }
    }

    fn conf_begin(&mut self, begin: ConfBegin) {
        if !self.accepts_conf() {
            return;
        }
        if begin.length > CONF_MAX {
            self.decline(Reason::new(&format!("the conf has {} bytes; at most {CONF_MAX} are taken", begin.length)));
            return;
        }
        self.push(Action::BeginConf(Some(begin)));
        self.conf = Conf::Receiving { left: begin.length };
        if begin.length == 0 {
            self.end_conf();
        }
    }

    fn conf_part(&mut self, bytes: Vec<u8>) {
        let Conf::Receiving { left } = self.conf else {
            return;
        };
        let Some(left) = u64::try_from(bytes.len()).ok().and_then(|length| left.checked_sub(length)) else {
            self.decline(Reason::new("the conf is longer than was announced"));
            return;
        };
        self.conf = Conf::Receiving { left };
        self.push(Action::StoreConf(bytes));
        if left == 0 {
            self.end_conf();
        }
    }

    /// Makes room for a new conf, which replaces the one before; not while that one runs.
    fn accepts_conf(&mut self) -> bool {
        if !self.task.is_idle() {
            self.send_reason(Reason::new("a task is running"), Message::ConfNo);
            return false;
        }
        self.discard_conf();
        self.session = Some(ExitCause::NotStarted);
        true
    }

    fn end_conf(&mut self) {
        self.push(Action::EndConf);
        self.conf = Conf::Preparing;
    }

    fn prepared(&mut self, result: Result<(), Reason>) {
        if self.conf != Conf::Preparing {
            return;
        }
        match result {
            Ok(()) => {
                self.conf = Conf::Ready;
                self.tell(Notice::Accepted);
                self.send(Message::ConfOk);
            }
            Err(reason) => self.decline(reason),
        }
    }

    fn decline(&mut self, reason: Reason) {
        self.discard_conf();
        self.session = Some(ExitCause::Declined);
        self.tell(Notice::Declined(reason.clone()));
        self.send_reason(reason, Message::ConfNo);
    }

    fn exec(&mut self) {
        if !self.task.is_idle() {
            self.refuse(Reason::new("a task is running"));
        } else if self.conf == Conf::Ready {
            self.task = Task::Starting { stop: None };
            self.push(Action::Start);
        } else {
            self.refuse(Reason::new("there is no conf to run"));
        }
    }

    fn refuse(&mut self, reason: Reason) {
        self.tell(Notice::Refused(reason.clone()));
        self.send_reason(reason, Message::ExecNo);
    }

    fn started(&mut self, now: MonotonicInstant, result: Result<(), Reason>) {
        match result {
            Ok(()) => {
                let due = self.task.started(now);
                self.send(Message::ExecOk);
                self.tell(Notice::Started);
                self.carry_out(due);
            }
            Err(reason) => {
                self.task = Task::Idle;
                self.session = Some(ExitCause::Declined);
                self.refuse(reason);
                self.settle(now);
            }
        }
    }

    fn ended(&mut self, now: MonotonicInstant, ended: &TaskEnded, stragglers: bool) {
        self.task.ended(now, stragglers);
        self.session = Some(ExitCause::TaskEnded(ended.end));
        self.tell(Notice::Ended(ended.end));
        self.unreported = Some(*ended);
        self.settle(now);
    }

    /// Tells the master, once nothing of the task is left that is being waited for.
    fn report_end(&mut self) {
        let Some(ended) = self.unreported.take() else { return };
        self.send(if self.agreed(Feature::TaskEnded) {
            Message::TaskEnded(ended)
        } else {
            Message::Finished(FinishedRecord { started: ended.started, finished: ended.finished })
        });
    }

    fn stop(&mut self, now: MonotonicInstant) {
        let due = self.task.stop(now);
        self.carry_out(due);
    }

    fn disconnected(&mut self, now: MonotonicInstant, why: Disconnect) {
        if !self.is_connected() && self.link != Link::Connecting {
            return;
        }
        let configured = self.session.is_some();
        self.tell(Notice::Disconnected { why, configured });
        self.push(Action::Disconnect);
        self.link = Link::Gone;
        self.stop(now);
        self.settle(now.plus(RETRY_INTERVAL));
    }

    fn shut_down(&mut self, now: MonotonicInstant, interrupt: Interrupt) {
        if self.shutdown.replace(interrupt).is_some() {
            let due = self.task.kill();
            self.carry_out(due);
        } else {
            self.stop(now);
        }
        self.settle(now);
    }

    fn carry_out(&mut self, due: Due) {
        match due {
            Due::Nothing => {}
            Due::Check => self.push(Action::CheckStragglers),
            Due::Signal(signal) => {
                self.tell(if signal == StopSignal::Kill { Notice::Killing } else { Notice::Stopping });
                self.push(Action::Signal(signal));
            }
        }
    }

    /// When nothing is left of a session: ends the program where that is wanted, or goes back to discovery.
    fn settle(&mut self, dial_at: MonotonicInstant) {
        if !self.task.is_idle() || self.link == Link::Exited {
            return;
        }
        self.report_end();
        if let Some(interrupt) = self.shutdown {
            self.exit(ExitCause::Interrupted(interrupt));
        } else if self.link == Link::Gone {
            self.discard_conf();
            match self.session.take() {
                Some(cause) if self.settings.once => self.exit(cause),
                _ => self.discover(dial_at),
            }
        }
    }

    /// Back in discovery: listening at once, or dialling when it is time.
    fn discover(&mut self, dial_at: MonotonicInstant) {
        self.link = Link::RetryAt(dial_at);
        if !self.settings.dials {
            self.try_discovery();
        }
    }

    fn try_discovery(&mut self) {
        if self.settings.dials {
            self.link = Link::Connecting;
            self.push(Action::Connect(None));
        } else {
            self.link = Link::Listening;
            self.push(Action::Listen);
        }
    }

    fn exit(&mut self, cause: ExitCause) {
        self.discard_conf();
        self.push(Action::Disconnect);
        self.push(Action::Exit(cause));
        self.link = Link::Exited;
    }

    fn discard_conf(&mut self) {
        if self.conf != Conf::None {
            self.conf = Conf::None;
            self.push(Action::Discard);
        }
    }

    fn is_connected(&self) -> bool {
        matches!(self.link, Link::Connected(_))
    }

    fn agreed(&self, feature: Feature) -> bool {
        matches!(self.link, Link::Connected(features) if features.has(feature))
    }

    fn send(&mut self, message: Message) {
        if self.is_connected() {
            self.push(Action::Send(message));
        }
    }

    fn send_reason(&mut self, reason: Reason, answer: fn(Option<Reason>) -> Message) {
        let reason = self.agreed(Feature::Reasons).then_some(reason);
        self.send(answer(reason));
    }

    fn tell(&mut self, notice: Notice) {
        self.push(Action::Tell(notice));
    }

    fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}
