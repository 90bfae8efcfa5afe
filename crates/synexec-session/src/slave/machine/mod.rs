//! The slave as a whole: what each event means for its link and its run, and the actions that follow.

mod message;
mod on_conf;
mod on_end;
mod on_output;
mod on_start;
mod resume;
mod session;
mod suspicion;

use std::collections::VecDeque;

use super::link::Link;
use super::run::Run;
use super::shunned::Shunned;
use super::{Action, Event, Notice, SlaveSettings};
use crate::interrupt::Interrupt;
use synexec_proto::message::{Feature, Message, Reason};
use synexec_proto::time::MonotonicInstant;

/// One slave, for as long as its program runs.
#[derive(Debug)]
pub struct Slave {
    settings: SlaveSettings,
    link: Link,
    run: Run,
    /// Masters that have turned this slave away.
    shunned: Shunned,
    /// The end of the program, once the user wants it.
    shutdown: Option<Shutdown>,
    actions: VecDeque<Action>,
}

/// The end of the program, as the user wants it.
#[derive(Debug)]
struct Shutdown {
    /// The last signal by which the user has told the program to end.
    interrupt: Interrupt,
    /// Until when the master may fetch the output of the last task; none while the task has not ended.
    fetch_until: Option<MonotonicInstant>,
}

impl Slave {
    /// A slave in discovery. It dials or listens at once.
    pub fn new(settings: SlaveSettings, now: MonotonicInstant) -> Self {
        let (link, run) = (Link::new(), Run::default());
        let shunned = Shunned::default();
        let mut slave = Self { settings, link, run, shunned, shutdown: None, actions: VecDeque::new() };
        slave.discover(now);
        slave
    }

    /// Takes an event.
    pub fn handle(&mut self, now: MonotonicInstant, event: Event) {
        match event {
            Event::Invited { master } => self.invited(now, master),
            Event::Connected { master } => self.connected(now, master),
            Event::ConnectFailed { why } => self.connect_failed(now, why),
            Event::ListenFailed { why } => self.listen_failed(now, why),
            Event::Received { frame, at } => self.received(now, frame, at),
            Event::Disconnected(why) => self.disconnected(now, why),
            Event::SecondReceived { frame } => self.second_received(now, frame),
            Event::SecondEnded(why) => self.second_ended(now, &why),
            Event::Prepared(result) => self.prepared(now, result),
            Event::HeldTaskDied(reason) => self.held_task_died(reason),
            Event::Started(result) => self.started(now, result),
            Event::TaskEnded { run, output, stragglers } => self.ended(now, run, *output, stragglers),
            Event::Sampled { progress, stopped } => self.sampled(progress, stopped),
            Event::NoOutputYet(fetch) => self.run.await_output(now, fetch),
            Event::OutputFailed(reason) => self.refuse_output(reason),
            Event::StragglersGone => {
                self.run.stragglers_gone(now);
                self.finish_if_idle(now, now);
            }
            Event::Shutdown(interrupt) => self.shut_down(now, interrupt),
        }
    }

    /// Does what is due at this instant.
    pub fn advance(&mut self, now: MonotonicInstant) {
        if self.link.is_attempt_due(now) {
            self.attempt();
        }
        if self.link.is_resumption_over(now) {
            self.give_up(now);
        }
        self.advance_suspicion(now);
        let due = self.run.advance_task(now);
        self.carry_out(due);
        self.advance_output(now);
        self.advance_progress(now);
        self.finish_if_idle(now, now);
    }

    /// When to call [`Self::advance`] next.
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        let last_fetch = self.shutdown.as_ref().and_then(|shutdown| shutdown.fetch_until);
        let last_fetch = last_fetch.filter(|_| self.run.is_idle() && !self.link.has_exited());
        [self.link.deadline(), self.suspicious_at(), self.run.deadline(), last_fetch].into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn send(&mut self, message: Message) {
        if self.link.is_open() {
            self.push(Action::Send(message));
        }
    }

    fn send_reason(&mut self, reason: Reason, answer: fn(Option<Reason>) -> Message) {
        let reason = self.link.has_agreed(Feature::Reasons).then_some(reason);
        self.send(answer(reason));
    }

    fn tell(&mut self, notice: Notice) {
        self.push(Action::Tell(notice));
    }

    fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}
