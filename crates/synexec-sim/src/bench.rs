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
    sent_on_second: Vec<Message>,
    first: Line,
    second: Line,
}

/// A connection of the slave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    None,
    /// The slave has asked for it and has no answer yet.
    Awaited,
    There,
}

impl Bench {
    /// A slave in discovery.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let slave = SimSlave::new(plan.settings("vm"), plan, START);
        let (now, agenda, first, second) = (START, Agenda::new(), Line::None, Line::None);
        let mut bench = Self { now, slave, agenda, sent: Vec::new(), sent_on_second: Vec::new(), first, second };
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
        if self.first == Line::Awaited {
            self.first = Line::There;
            self.handle(ClientEvent::Connected);
        }
    }

    /// Accepts the second connection, if the slave has asked for one.
    pub fn connect_second(&mut self) {
        if self.second == Line::Awaited {
            self.second = Line::There;
            self.handle(ClientEvent::Connected);
        }
    }

    /// Refuses the first or second connection that the slave has asked for, if it has.
    pub fn refuse(&mut self) {
        let awaited = if self.second == Line::Awaited { &mut self.second } else { &mut self.first };
        if *awaited == Line::Awaited {
            *awaited = Line::None;
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
        if self.first == Line::There {
            self.handle(ClientEvent::Received(frame));
        }
        self.wait(Duration::ZERO);
    }

    /// Sends the slave a message on its second connection, if it has one.
    pub fn tell_on_second(&mut self, message: &Message) {
        self.deliver_on_second(frame_of(message));
    }

    /// Sends the slave a frame on its second connection, if it has one.
    pub fn deliver_on_second(&mut self, frame: Frame) {
        if self.second == Line::There {
            self.handle(ClientEvent::SecondReceived(frame));
        }
    }

    /// Closes the connection at the master's end, if there is one.
    pub fn close(&mut self) {
        if self.first == Line::There {
            self.first = Line::None;
            self.handle(ClientEvent::Disconnected(Disconnect::Closed));
        }
    }

    /// Closes the second connection at the master's end, if there is one.
    pub fn close_second(&mut self) {
        if self.second == Line::There {
            self.second = Line::None;
            self.handle(ClientEvent::SecondEnded(Disconnect::Closed));
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

    /// Takes the messages that the slave has sent on its second connection since the last call.
    pub fn sent_on_second(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent_on_second)
    }

    /// Whether the slave is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.first == Line::There
    }

    /// Whether the slave has a second connection, or has asked for one.
    #[must_use]
    pub fn has_second(&self) -> bool {
        self.second != Line::None
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
                ClientAction::SendOnSecond(message) => self.sent_on_second.push(as_received(&message)),
                ClientAction::Close | ClientAction::Exit => (self.first, self.second) = (Line::None, Line::None),
                ClientAction::CloseSecond => self.second = Line::None,
                ClientAction::UseSecond => self.first = std::mem::replace(&mut self.second, Line::None),
                ClientAction::Connect => self.first = Line::Awaited,
                ClientAction::ConnectSecond => self.second = Line::Awaited,
                ClientAction::SendBytes(bytes) => panic!("a slave of ours sends bytes that are no message: {bytes:?}"),
            }
        }
    }
}

/// The message as a master of ours receives it.
fn as_received(message: &Message) -> Message {
    Message::decode(frame_of(message), Features::ours()).expect("a slave of ours sends well-formed messages")
}
