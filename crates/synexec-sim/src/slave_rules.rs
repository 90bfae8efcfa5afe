//! What a slave never does, whatever it is told.

use synexec_proto::message::{Feature, Features, Message, ResumeToken};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;
use synexec_session::slave::{Action, Event};

/// Follows one slave's events and actions.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct SlaveRules {
    connected: bool,
    /// What is agreed with the master.
    agreed: Features,
    conf_accepted: bool,
    held: bool,
    /// The instant that was ordered, and then confirmed by the last word.
    ordered: Option<MonotonicInstant>,
    told_to_go: Option<MonotonicInstant>,
    /// From the order to start until its end.
    task: bool,
    to_report: bool,
    /// From the first signal to the task until the next start.
    stopping: bool,
    /// While others of a stopped task's family are left, its end need not be reported yet, unless the user is in a hurry.
    may_wait: bool,
    /// By what it may come back, once its task was started.
    token: Option<ResumeToken>,
    started: bool,
    /// From its attempt to come back until it is recognised.
    resuming: bool,
    /// Whether the master may not know of the end yet.
    unacknowledged: bool,
    /// Whether others of its family are left, and nobody is in a hurry.
    left: bool,
    shutdowns: u32,
    exited: bool,
}

impl SlaveRules {
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Connected { .. } => (self.connected, self.agreed) = (true, Features::NONE),
            Event::Disconnected(_) => (self.connected, self.to_report) = (false, false),
            Event::Received { frame, .. } => self.hears(frame),
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

    pub fn action(&mut self, action: &Action) {
        assert!(!self.exited, "after its exit: {action:?}");
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
                assert!(self.conf_accepted, "a hold without an accepted conf");
                assert!(!self.task && !self.to_report, "holds a second task");
                (self.held, self.unacknowledged) = (false, false);
            }
            Action::Release { at } => {
                assert!(self.conf_accepted && self.held, "a start without an accepted conf, or of what is not held");
                assert!(!self.task && !self.to_report, "a second task at once");
                assert!(at.is_none() || self.told_to_go == *at, "started without the last word");
                (self.task, self.stopping, self.held, self.told_to_go) = (true, false, false, None);
                (self.started, self.unacknowledged) = (true, false);
            }
            Action::Connect(Some(_)) if self.started && self.token.is_some() => {
                assert!(!self.connected, "dials while connected");
                self.resuming = true;
            }
            Action::Listen | Action::Connect(_) => {
                assert!(!self.task, "in discovery while a task runs");
                assert!(!self.connected, "in discovery while connected");
                assert!(!self.left, "in discovery while something is left of a task");
            }
            Action::Signal(_) => self.stopping = true,
            Action::Disconnect | Action::Leave => (self.connected, self.to_report) = (false, false),
            Action::Exit(_) => {
                assert!(!self.task, "exits while a task runs");
                assert!(!self.left, "exits while something is left of a task");
                assert!(!self.to_report, "exits with an end unreported");
                self.exited = true;
            }
            _ => {}
        }
    }

    /// When all actions that followed an event were seen.
    pub fn settled(&self) {
        assert!(!self.to_report || self.may_wait, "a task's end was not reported");
    }

    fn sends(&mut self, message: &Message) {
        assert!(self.connected, "sent without a connection: {message:?}");
        match message {
            Message::ConfOk(held) => {
                assert_eq!(
                    held.is_some(),
                    self.agreed.has(Feature::Start),
                    "tells an original how the task is held, or ours not"
                );
                self.conf_accepted = true;
            }
            Message::TaskEnded(_) => self.reports(true),
            Message::Finished(_) => self.reports(false),
            Message::Running(_) | Message::Stopped(_) => {
                assert!(self.task && self.agreed.has(Feature::Progress), "progress of no task, or to an original");
            }
            Message::OutputPart(_) | Message::OutputMark(_) | Message::OutputNo(_) => {
                assert!(self.agreed.has(Feature::Outputs), "speaks of output to an original");
            }
            Message::ConfNo(Some(_)) | Message::ExecNo(Some(_)) => {
                assert!(self.agreed.has(Feature::Reasons), "a reason to an original");
            }
            _ => {}
        }
    }

    fn reports(&mut self, in_our_words: bool) {
        assert!(self.to_report, "reported what has not ended, or twice");
        assert_eq!(in_our_words, self.agreed.has(Feature::TaskEnded), "reported in the wrong words");
        self.to_report = false;
        self.unacknowledged &= self.agreed.has(Feature::Resume);
    }

    fn hears(&mut self, frame: &Frame) {
        match Message::decode(frame.clone(), self.agreed) {
            Ok(Message::Probe(Some(block))) => {
                self.agreed = Features::ours().agreed_with(block.features);
                if self.resuming && block.token.is_some() && block.token == self.token {
                    (self.resuming, self.to_report) = (false, self.unacknowledged && !self.task);
                }
            }
            // What was not sent cannot be known.
            Ok(Message::Ack) if !self.resuming => self.unacknowledged &= self.to_report,
            Ok(Message::Exec(Some(at))) => self.ordered = Some(at),
            Ok(Message::Go) => self.told_to_go = self.ordered,
            _ => {}
        }
    }
}
