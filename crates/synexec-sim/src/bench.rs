//! One slave of ours alone, with a test that plays its master, its network and its user.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{Capabilities, Features, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::Frame;
use synexec_session::interrupt::Interrupt;

use crate::agenda::Agenda;
use crate::client_event::{ClientAction, ClientEvent, HostEvent};
use crate::crossing::frame_of;
use crate::plan::Plan;
use crate::slave::SimSlave;
use crate::time::START;

/// One slave of ours alone, with a test that plays its master, its network and its user.
#[derive(Debug)]
pub struct Bench {
    /// The present instant.
    pub now: MonotonicInstant,
    /// The slave.
    pub slave: SimSlave,
    agenda: Agenda<HostEvent>,
    sent: Vec<Message>,
    connected: bool,
    /// Whether the slave has asked for a connection and has no answer yet.
    is_connecting: bool,
}

impl Bench {
    /// A slave in discovery.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let slave = SimSlave::new(plan.settings("vm"), plan, START);
        let mut bench =
            Self { now: START, slave, agenda: Agenda::new(), sent: Vec::new(), connected: false, is_connecting: false };
        bench.handle(ClientEvent::Booted);
        bench
    }

    /// A slave that has joined a master of ours.
    #[must_use]
    pub fn joined(plan: Plan) -> Self {
        Self::joined_by(plan, Some(Capabilities::ours("control")))
    }

    /// A slave that has joined an original master.
    #[must_use]
    pub fn joined_original(plan: Plan) -> Self {
        Self::joined_by(plan, None)
    }

    fn joined_by(plan: Plan, block: Option<Capabilities>) -> Self {
        let mut bench = Self::new(plan);
        bench.connect();
        bench.tell([Message::Probe(block)]);
        bench.sent();
        bench
    }

    /// Sends the slave a probe, and accepts the connection that it asks for.
    pub fn connect(&mut self) {
        self.handle(ClientEvent::Invited);
        self.wait(Duration::ZERO);
        if std::mem::replace(&mut self.is_connecting, false) {
            self.connected = true;
            self.handle(ClientEvent::Connected);
        }
    }

    /// Refuses the connection that the slave has asked for, if it has.
    pub fn refuse(&mut self) {
        if std::mem::replace(&mut self.is_connecting, false) {
            self.handle(ClientEvent::Refused);
        }
    }

    /// Sends the slave these messages, one after the other, if it is connected.
    pub fn tell(&mut self, messages: impl IntoIterator<Item = Message>) {
        for message in messages {
            self.deliver(frame_of(&message));
        }
    }

    /// Sends the slave a frame, if it is connected.
    pub fn deliver(&mut self, frame: Frame) {
        if self.connected {
            self.handle(ClientEvent::Received(frame));
        }
        self.wait(Duration::ZERO);
    }

    /// Closes the connection at the master's end, if there is one.
    pub fn close(&mut self) {
        if std::mem::replace(&mut self.connected, false) {
            self.handle(ClientEvent::Disconnected(Disconnect::Closed));
        }
    }

    /// Sends the slave a probe, and closes the connection that it asks for before the slave knows that it is connected.
    pub fn connect_and_close(&mut self) {
        self.handle(ClientEvent::Invited);
        self.handle(ClientEvent::Disconnected(Disconnect::Closed));
    }

    /// Sends the slave's process SIGTERM.
    pub fn shut_down(&mut self) {
        self.handle(ClientEvent::Shutdown(Interrupt::Terminate));
    }

    /// Lets this time pass.
    ///
    /// # Panics
    ///
    /// If the slave does what a slave must never do.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now.plus(time);
        while let Some(next) = self.agenda.next_at().into_iter().chain(self.deadline()).min()
            && next <= until
        {
            self.now = self.now.max(next);
            if self.agenda.next_at().is_some_and(|at| at <= self.now) {
                let (_, event) = self.agenda.pop().expect("an event is due");
                self.handle(ClientEvent::Host(event));
            } else {
                self.handle(ClientEvent::Due);
            }
        }
        self.now = until;
    }

    /// Takes the messages that the slave has sent since the last call.
    pub fn sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent)
    }

    /// Whether the slave is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    fn deadline(&self) -> Option<MonotonicInstant> {
        self.slave.deadline().filter(|_| self.slave.exit().is_none())
    }

    fn handle(&mut self, event: ClientEvent) {
        if self.slave.exit().is_some() {
            return;
        }
        for action in self.slave.handle(self.now, event) {
            match action {
                ClientAction::Send(message) => self.sent.push(as_received(&message)),
                ClientAction::Later(after, event) => self.agenda.add(self.now.plus(after), event),
                ClientAction::Close | ClientAction::Exit => (self.connected, self.is_connecting) = (false, false),
                ClientAction::Connect => self.is_connecting = true,
                ClientAction::SendBytes(bytes) => panic!("a slave of ours sends bytes that are no message: {bytes:?}"),
            }
        }
    }
}

/// The message as a master of ours receives it.
fn as_received(message: &Message) -> Message {
    Message::decode(frame_of(message), Features::ours()).expect("a slave of ours sends well-formed messages")
}
