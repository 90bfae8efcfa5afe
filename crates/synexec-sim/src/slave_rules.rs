//! What a slave must never do, whatever happens to it.

use synexec_proto::message::{Feature, Features, Message, ResumeToken};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;
use synexec_session::slave::{Action, Event};

/// Follows the events and actions of one slave, and panics when an action breaks a rule.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct SlaveRules {
    connected: bool,
    /// The features that the slave and its master have agreed on.
    agreed: Features,
    conf_accepted: bool,
    held: bool,
    /// The instant that the master ordered last.
    ordered: Option<MonotonicInstant>,
    /// The ordered instant, once the last word has confirmed it.
    told_to_go: Option<MonotonicInstant>,
    /// Whether there is a task, from its release to its end.
    task: bool,
    /// Whether the end of the task has to be reported.
    to_report: bool,
    /// Whether the task was signalled, until the next start.
    stopping: bool,
    /// Whether the report may wait, because other processes of a stopped task's group are left. The user's second order
    /// to shut down ends this.
    may_wait: bool,
    /// The token with which the slave may resume.
    token: Option<ResumeToken>,
    /// Whether the task of the present conf was released. Only then the slave may resume.
    started: bool,
    /// Whether the slave tries to resume and the master has not recognised it yet.
    resuming: bool,
    /// Whether the master may not know of the task's end yet.
    unacknowledged: bool,
    /// Whether other processes of the task's group are left, and the slave has to wait for their end.
    left: bool,
    second: Second,
    shutdowns: u32,
    exited: bool,
}

/// The connection beside the first.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Second {
    #[default]
    None,
    /// The slave has asked for it.
    Awaited,
    /// It is there, and the master has not recognised the slave on it.
    There,
    /// The master has recognised the slave on it, and has agreed on these features.
    Recognised(Features),
}

impl SlaveRules {
    /// Follows something that happens to the slave.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Connected { .. } if self.second == Second::Awaited => self.second = Second::There,
            Event::ConnectFailed { .. } if self.second == Second::Awaited => self.second = Second::None,
            Event::SecondEnded(_) => self.second = Second::None,
            Event::SecondReceived { frame } => self.receives_on_second(frame),
            Event::Connected { .. } => (self.connected, self.agreed) = (true, Features::NONE),
            Event::Disconnected(_) => (self.connected, self.to_report) = (false, false),
            Event::Received { frame, .. } => self.receives(frame),
            Event::Started(Err(_)) | Event::Prepared(Err(_)) => self.task = false,
            Event::Prepared(Ok(_)) => self.held = true,
            Event::HeldTaskDied(_) => self.held = false,
            Event::TaskEnded { stragglers, .. } => {
                (self.task, self.to_report) = (false, self.connected && !self.resuming);
                self.unacknowledged = true;
                self.left = *stragglers && self.shutdowns < 2;
                self.may_wait = self.left && self.stopping;
            }
            Event::StragglersGone => (self.may_wait, self.left) = (false, false),
            Event::Shutdown(_) => {
                self.shutdowns += 1;
                self.may_wait &= self.shutdowns < 2;
                self.left &= self.shutdowns < 2;
            }
            _ => {}
        }
    }

    /// Follows something that the slave does.
    pub fn action(&mut self, action: &Action) {
        assert!(!self.exited, "{action:?} after the exit");
        match action {
            Action::Send(message) => self.sends(message),
            Action::BeginConf(_) | Action::Discard => {
                (self.conf_accepted, self.held) = (false, false);
                (self.started, self.resuming, self.unacknowledged) = (false, false, false);
                self.token = if let Action::BeginConf(Some(begin)) = action { begin.token } else { None };
            }
            Action::DropHeld => self.held = false,
            Action::Abandon => (self.task, self.left) = (false, false),
            Action::Hold { .. } => {
                assert!(self.conf_accepted, "a task is held without an accepted conf");
                assert!(!self.task && !self.to_report, "a second task is held");
                (self.held, self.unacknowledged) = (false, false);
            }
            Action::Release { at } => {
                assert!(
                    self.conf_accepted && self.held,
                    "a task is released without an accepted conf, or without being held"
                );
                assert!(!self.task && !self.to_report, "a second task is released");
                assert!(at.is_none() || self.told_to_go == *at, "a task is released without the last word");
                (self.task, self.stopping, self.held, self.told_to_go) = (true, false, false, None);
                (self.started, self.unacknowledged) = (true, false);
            }
            Action::ConnectSecond(_) => {
                assert!(self.connected && !self.resuming, "a second connection without a first one");
                assert!(self.started && self.token.is_some(), "a second connection of a slave that may not resume");
                assert_eq!(self.second, Second::None, "a third connection");
                self.second = Second::Awaited;
            }
            Action::SendOnSecond(message) => {
                assert_eq!(self.second, Second::There, "{message:?} without a second connection");
                let shows_token = matches!(message, Message::Reply(Some(block)) if block.token == self.token);
                assert!(shows_token, "{message:?} before the master has recognised the slave");
            }
            Action::CloseSecond => self.second = Second::None,
            Action::UseSecond => self.uses_second(),
            Action::Connect(Some(_)) if self.started && self.token.is_some() => {
                assert!(!self.connected, "the slave connects while it is connected");
                assert_eq!(self.second, Second::None, "the slave connects while it has a second connection");
                self.resuming = true;
            }
            Action::Listen | Action::Connect(_) => {
                assert!(!self.task, "the slave is in discovery while a task runs");
                assert!(!self.connected, "the slave is in discovery while it is connected");
                assert_eq!(self.second, Second::None, "the slave is in discovery while it has a second connection");
                assert!(!self.left, "the slave is in discovery while a process of a task is left");
            }
            Action::Signal(_) => self.stopping = true,
            Action::Disconnect => (self.connected, self.to_report, self.second) = (false, false, Second::None),
            Action::Exit(_) => {
                assert!(!self.task, "the slave exits while a task runs");
                assert!(!self.left, "the slave exits while a process of a task is left");
                assert!(!self.to_report, "the slave exits before it has reported the end of a task");
                self.exited = true;
            }
            _ => {}
        }
    }

    /// Checks that the slave has done its duty when all actions that follow an event were seen.
    pub fn assert_settled(&self) {
        assert!(!self.to_report || self.may_wait, "the slave does not report the end of a task");
    }

    fn sends(&mut self, message: &Message) {
        assert!(self.connected, "{message:?} without a connection");
        match message {
            Message::ConfOk(held) => {
                assert_eq!(
                    held.is_some(),
                    self.agreed.has(Feature::Start),
                    "CONF_OK says how the task is held if and only if this is agreed"
                );
                self.conf_accepted = true;
            }
            Message::TaskEnded(_) => self.reports(true),
            Message::Finished(_) => self.reports(false),
            Message::Running(_) | Message::Stopped(_) => {
                assert!(self.task && self.agreed.has(Feature::Progress), "progress without a task, or to an original");
            }
            Message::OutputPart(_) | Message::OutputMark(_) | Message::OutputNo(_) => {
                assert!(self.agreed.has(Feature::Outputs), "output to an original");
            }
            Message::ConfNo(Some(_)) | Message::ExecNo(Some(_)) => {
                assert!(self.agreed.has(Feature::Reasons), "a reason to an original");
            }
            _ => {}
        }
    }

    fn reports(&mut self, by_task_ended: bool) {
        assert!(self.to_report, "the end of a task is reported before the end, or twice");
        assert_eq!(by_task_ended, self.agreed.has(Feature::TaskEnded), "the end is reported by the wrong message");
        self.to_report = false;
        self.unacknowledged &= self.agreed.has(Feature::Resume);
    }

    /// The session moves to the second connection, or is resumed there because the first one broke.
    fn uses_second(&mut self) {
        match std::mem::take(&mut self.second) {
            Second::None => panic!("the slave has no second connection to use"),
            Second::Recognised(agreed) => {
                self.agreed = agreed;
                self.to_report = self.unacknowledged && !self.task;
            }
            second => {
                assert!(!self.connected, "the slave moves before the master has recognised it");
                (self.connected, self.agreed, self.resuming) = (second == Second::There, Features::NONE, true);
            }
        }
    }

    fn receives_on_second(&mut self, frame: &Frame) {
        if let Ok(Message::Probe(Some(block))) = Message::decode(frame.clone(), Features::NONE)
            && self.second == Second::There
            && self.token.is_some()
            && block.token == self.token
        {
            self.second = Second::Recognised(Features::ours().agreed_with(block.features));
        }
    }

    fn receives(&mut self, frame: &Frame) {
        match Message::decode(frame.clone(), self.agreed) {
            Ok(Message::Probe(Some(block))) => {
                self.agreed = Features::ours().agreed_with(block.features);
                if self.resuming && block.token.is_some() && block.token == self.token {
                    (self.resuming, self.to_report) = (false, self.unacknowledged && !self.task);
                }
            }
            // The master cannot acknowledge an end that was not sent.
            Ok(Message::Ack) if !self.resuming => self.unacknowledged &= self.to_report,
            Ok(Message::Exec(Some(at))) => self.ordered = Some(at),
            Ok(Message::Go) => self.told_to_go = self.ordered,
            _ => {}
        }
    }
}
