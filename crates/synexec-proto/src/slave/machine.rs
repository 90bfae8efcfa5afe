//! The slave's state, and what each event does to it.

use std::collections::VecDeque;
use std::time::Duration;

use super::task::{Due, Task};
use super::{Action, Event, ExitCause, Notice, Settings, StopSignal};
use crate::master::Interrupt;
use crate::message::{
    CONF_MAX, Capabilities, ClockProbe, ClockReply, ConfBegin, Feature, Features, FinishedRecord, Held, Hold, Message,
    Reason, TaskEnded,
};
use crate::session::Disconnect;
use crate::time::MonotonicInstant;
use crate::wire::Frame;

/// Time between two attempts to reach a given master, or to listen; short enough to be back within a second.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Furthest that a start may be ahead, so that no master can make a slave wait for ever.
pub const LEAD_MAX: Duration = Duration::from_secs(60 * 60);

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
    Receiving {
        left: u64,
    },
    Preparing,
    /// Its task is held, and was ordered to start at this instant if told to go.
    Held {
        ordered: Option<MonotonicInstant>,
    },
    /// Its task was released, and can be held again.
    Spent,
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
            Event::Received { frame, at } => self.received(now, frame, at),
            Event::Disconnected(why) => self.disconnected(now, why),
            Event::Prepared(result) => self.prepared(now, result),
            Event::HeldTaskDied(reason) => self.held_task_died(reason),
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

    fn received(&mut self, now: MonotonicInstant, frame: Frame, at: MonotonicInstant) {
        let Link::Connected(features) = self.link else { return };
        match Message::decode(frame, features) {
            Ok(Message::ClockProbe(ClockProbe { sent })) => {
                self.send(Message::ClockReply(ClockReply { sent, received: at, replied: now }));
            }
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
            Message::Hold(hold) => self.hold(hold),
            Message::Exec(at) => self.exec(now, at),
            Message::Go => self.go(now),
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

    fn hold(&mut self, Hold { round }: Hold) {
        if !self.task.is_idle() {
            self.send_reason(Reason::new("a task is running"), Message::ConfNo);
        } else if matches!(self.conf, Conf::Held { .. } | Conf::Spent) {
            self.conf = Conf::Preparing;
            self.push(Action::Hold { round: Some(round) });
        } else {
            self.send_reason(Reason::new("there is no conf to run"), Message::ConfNo);
        }
    }

    fn prepared(&mut self, now: MonotonicInstant, result: Result<Held, Reason>) {
        let is_spawning = matches!(self.task, Task::Spawning { .. });
        match (self.conf, result) {
            (Conf::Preparing, Ok(held)) => self.accept(held),
            (Conf::Preparing, Err(reason)) => {
                self.decline(reason.clone());
                if is_spawning {
                    self.not_started(now, reason, ExitCause::Declined);
                }
                return;
            }
            (_, Err(reason)) if is_spawning => return self.not_started(now, reason, ExitCause::Declined),
            _ => {}
        }
        match self.task {
            Task::Spawning { stopped: false } => self.release(None),
            Task::Spawning { stopped: true } => {
                let reason = Reason::new("it was stopped before it had started");
                self.not_started(now, reason, ExitCause::NotStarted);
            }
            _ => {}
        }
    }

    fn accept(&mut self, held: Held) {
        self.conf = Conf::Held { ordered: None };
        self.tell(Notice::Accepted(held));
        let held = self.agreed(Feature::Start).then_some(held);
        self.send(Message::ConfOk(held));
    }

    fn decline(&mut self, reason: Reason) {
        self.discard_conf();
        self.session = Some(ExitCause::Declined);
        self.tell(Notice::Declined(reason.clone()));
        self.send_reason(reason, Message::ConfNo);
    }

    /// Nothing is left to start, and the master is to know that before it says the last word.
    fn held_task_died(&mut self, reason: Reason) {
        if matches!(self.conf, Conf::Held { .. }) {
            self.conf = Conf::Spent;
            self.refuse(reason);
        }
    }

    fn exec(&mut self, now: MonotonicInstant, at: Option<MonotonicInstant>) {
        match (self.conf, at) {
            _ if !self.task.is_idle() => self.refuse(Reason::new("a task is running")),
            (Conf::Held { .. }, Some(at)) => self.order(now, at),
            (Conf::Held { .. }, None) => self.release(None),
            (Conf::Preparing, None) => self.task = Task::Spawning { stopped: false },
            (Conf::Spent, None) => {
                self.task = Task::Spawning { stopped: false };
                self.push(Action::Hold { round: None });
            }
            (Conf::Preparing | Conf::Spent, Some(_)) => self.refuse(Reason::new("the task is not held")),
            _ => self.refuse(Reason::new("there is no conf to run")),
        }
    }

    fn order(&mut self, now: MonotonicInstant, at: MonotonicInstant) {
        if at.since(now) > LEAD_MAX {
            self.refuse(Reason::new(&format!("the start is more than {} s ahead", LEAD_MAX.as_secs())));
        } else {
            self.conf = Conf::Held { ordered: Some(at) };
            self.send(Message::ExecOk(Some(at)));
        }
    }

    fn go(&mut self, now: MonotonicInstant) {
        if let Conf::Held { ordered: Some(at) } = self.conf {
            self.tell(Notice::StartsIn(at.since(now)));
            self.release(Some(at));
        } else {
            self.refuse(Reason::new("no start was ordered"));
        }
    }

    fn release(&mut self, at: Option<MonotonicInstant>) {
        self.conf = Conf::Spent;
        self.task = Task::Running;
        self.push(Action::Release { at });
    }

    fn refuse(&mut self, reason: Reason) {
        self.tell(Notice::Refused(reason.clone()));
        self.send_reason(reason, Message::ExecNo);
    }

    fn started(&mut self, now: MonotonicInstant, result: Result<(), Reason>) {
        match result {
            Ok(()) => {
                self.send(Message::ExecOk(None));
                self.tell(Notice::Started);
            }
            Err(reason) => self.not_started(now, reason, ExitCause::Declined),
        }
    }

    fn not_started(&mut self, now: MonotonicInstant, reason: Reason, cause: ExitCause) {
        self.task = Task::Idle;
        self.session = Some(cause);
        self.refuse(reason);
        self.settle(now);
    }

    fn ended(&mut self, now: MonotonicInstant, ended: &TaskEnded, stragglers: bool) {
        self.task.ended(now, stragglers);
        self.session = Some(ExitCause::TaskEnded(ended.end));
        self.tell(Notice::Ended { end: ended.end, lateness: ended.lateness });
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
