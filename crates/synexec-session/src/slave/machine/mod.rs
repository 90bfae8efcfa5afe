//! The slave's state, and what each event does to it.

mod conf;
mod orphans;
mod output;
mod progress;
mod resume;
mod start;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub use start::LEAD_MAX;

use self::output::OutputState;
use self::progress::Telling;
use self::resume::Resuming;
use super::task::Task;
use super::{Action, Event, ExitCause, Notice, Settings};
use crate::interrupt::Interrupt;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{
    Capabilities, ClockProbe, ClockReply, Feature, Features, Message, Reason, ResumeToken, TaskEnded,
};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;

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
    /// Of the task that ended last, until its master knows it.
    report: Option<UnacknowledgedEnd>,
    /// Why the task was not started, which the master may not have heard.
    refusal: Option<Reason>,
    /// With whom the last connection was.
    master: Option<SocketAddr>,
    /// By what the master knows this slave when the connection has broken.
    token: Option<ResumeToken>,
    /// While the connection is broken and may be taken up again.
    resuming: Option<Resuming>,
    /// Whether the last task has left others behind when it ended, and they may be there still.
    left_behind: bool,
    /// Whether the master has told the task to stop that runs.
    told_to_stop: bool,
    /// When it was taken up again last.
    resumed_at: Option<MonotonicInstant>,
    output: OutputState,
    telling: Telling,
    shutdown: Option<Interrupt>,
    actions: VecDeque<Action>,
}

/// The end of a task that the master may not know yet.
#[derive(Debug)]
struct UnacknowledgedEnd {
    ended: TaskEnded,
    is_sent: bool,
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
            report: None,
            refusal: None,
            master: None,
            token: None,
            resuming: None,
            left_behind: false,
            told_to_stop: false,
            resumed_at: None,
            output: OutputState::default(),
            telling: Telling::default(),
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
                self.master = Some(master);
                self.tell(Notice::Connected(master));
                self.greet();
            }
            Event::ConnectFailed { why } if self.link == Link::Connecting => {
                self.tell(Notice::ConnectFailed(why));
                self.try_again(now);
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
            Event::TaskEnded { ended, stragglers } => self.ended(now, ended, stragglers),
            Event::Sampled { progress, stopped } => self.sampled(progress, stopped),
            Event::NoOutputYet(fetch) => self.no_output_yet(now, fetch),
            Event::OutputFailed(reason) => self.refuse_output(reason),
            Event::StragglersGone => {
                self.left_behind = false;
                self.task.ended(now, false);
                self.settle(now, now);
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
            self.dial_or_listen();
        }
        self.advance_resuming(now);
        let due = self.task.advance(now);
        self.carry_out(due);
        self.advance_output(now);
        self.advance_progress(now);
        self.settle(now, now);
    }

    /// When to call [`Self::advance`] next.
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        let retry = if let Link::RetryAt(at) = self.link { Some(at) } else { None };
        let give_up = self.resuming.as_ref().map(Resuming::until);
        let others = [self.task.deadline(), self.output.deadline(), self.telling.deadline(), give_up];
        retry.into_iter().chain(others.into_iter().flatten()).min()
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn received(&mut self, now: MonotonicInstant, frame: Frame, at: MonotonicInstant) {
        let Link::Connected(features) = self.link else { return };
        self.telling.heard();
        match Message::decode(frame, features) {
            Ok(Message::ClockProbe(ClockProbe { sent })) if self.resuming.is_none() => {
                self.send(Message::ClockReply(ClockReply { sent, received: at, replied: now }));
            }
            Ok(message) if self.resuming.is_some() => self.is_answered(now, &message),
            Ok(message) => self.obey(now, message),
            Err(malformed) => self.disconnected(now, malformed.into()),
        }
    }

    fn obey(&mut self, now: MonotonicInstant, message: Message) {
        match message {
            Message::Probe(capabilities) => {
                self.probed(capabilities);
                self.sample();
            }
            Message::Conf(bytes) => self.conf(bytes),
            Message::ConfBegin(begin) => self.conf_begin(begin),
            Message::ConfPart(bytes) => self.conf_part(bytes),
            Message::Hold(hold) => self.hold(hold),
            Message::Exec(at) => self.exec(now, at),
            Message::Go => self.go(now),
            Message::Stop => {
                self.told_to_stop |= self.task.runs();
                self.stop(now);
            }
            Message::Fetch(fetch) => self.fetch(fetch),
            Message::Ack => self.acknowledged(),
            Message::Bye => self.end_session(now, Disconnect::Left),
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

    fn end_session(&mut self, now: MonotonicInstant, why: Disconnect) {
        let configured = self.session.is_some();
        self.tell(Notice::Disconnected { why, configured });
        self.push(Action::Disconnect);
        self.link = Link::Gone;
        self.telling.end();
        self.output.forget_fetch();
        if self.is_task_kept() {
            self.tell(Notice::Orphaned);
        } else {
            self.stop(now);
        }
        self.settle(now, now.plus(RETRY_INTERVAL));
    }

    /// When nothing is left of a session: ends the program where that is wanted, or goes back to discovery.
    fn settle(&mut self, now: MonotonicInstant, dial_at: MonotonicInstant) {
        if !self.task.is_idle() || self.link == Link::Exited {
            return;
        }
        self.report_end();
        if self.left_behind && (self.shutdown.is_some() || self.link == Link::Gone) {
            self.see_to_the_rest(now);
        } else if let Some(interrupt) = self.shutdown {
            self.exit(ExitCause::Interrupted(interrupt));
        } else if self.link == Link::Gone {
            self.discard_conf();
            match self.session.take() {
                Some(cause) if self.settings.once => self.exit(cause),
                _ => self.discover(dial_at),
            }
        }
    }

    /// No connection could be made, or it has ended before it was of use.
    fn try_again(&mut self, now: MonotonicInstant) {
        let at = now.plus(RETRY_INTERVAL);
        if self.resuming.is_some() {
            self.link = Link::RetryAt(at);
        } else {
            self.link = Link::Gone;
            self.settle(now, at);
        }
    }

    /// Back in discovery: listening at once, or dialling when it is time.
    fn discover(&mut self, dial_at: MonotonicInstant) {
        self.link = Link::RetryAt(dial_at);
        if !self.settings.dials {
            self.dial_or_listen();
        }
    }

    fn dial_or_listen(&mut self) {
        if self.settings.dials || self.resuming.is_some() {
            self.dial();
        } else {
            self.link = Link::Listening;
            self.push(Action::Listen);
        }
    }

    fn dial(&mut self) {
        self.link = Link::Connecting;
        let master = self.master.filter(|_| self.resuming.is_some());
        self.push(Action::Connect(master));
    }

    fn exit(&mut self, cause: ExitCause) {
        self.discard_conf();
        if self.agreed(Feature::Resume) && self.resuming.is_none() {
            self.send(Message::Bye);
        }
        self.push(Action::Leave);
        self.push(Action::Exit(cause));
        self.link = Link::Exited;
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
