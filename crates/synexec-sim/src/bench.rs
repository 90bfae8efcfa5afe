//! One slave alone with whoever plays its master.

use std::time::Duration;

use synexec_proto::message::{Capabilities, Features, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::{Frame, FrameDecoder};
use synexec_session::interrupt::Interrupt;

use super::agenda::Agenda;
use super::client::{Deed, Heard, HostEvent};
use super::link::SESSION;
use super::master::encode;
use super::plan::Plan;
use super::slave::SimSlave;
use super::time::START;

#[derive(Debug)]
pub struct Bench {
    pub now: MonotonicInstant,
    pub slave: SimSlave,
    agenda: Agenda<HostEvent>,
    sent: Vec<Message>,
    connected: bool,
    /// Whether it wants to be connected and has no answer yet.
    knocks: bool,
}

impl Bench {
    /// A slave in discovery.
    pub fn new(plan: Plan) -> Self {
        let slave = SimSlave::new("vm", plan, START);
        let mut bench =
            Self { now: START, slave, agenda: Agenda::new(), sent: Vec::new(), connected: false, knocks: false };
        bench.hear(Heard::Booted);
        bench
    }

    /// A slave that has joined a master of ours.
    pub fn joined(plan: Plan) -> Self {
        let mut bench = Self::new(plan);
        bench.connects();
        bench.is_told([Message::Probe(Some(Capabilities::ours("control")))]);
        bench.sent();
        bench
    }

    /// A slave that has joined an original master.
    pub fn joined_original(plan: Plan) -> Self {
        let mut bench = Self::new(plan);
        bench.connects();
        bench.is_told([Message::Probe(None)]);
        bench.sent();
        bench
    }

    /// Is invited, and let in if it comes.
    pub fn connects(&mut self) {
        self.hear(Heard::Invited);
        self.passes(Duration::ZERO);
        if std::mem::replace(&mut self.knocks, false) {
            self.connected = true;
            self.hear(Heard::Connected);
        }
    }

    /// Is not let in, if it has come.
    pub fn is_refused(&mut self) {
        if std::mem::replace(&mut self.knocks, false) {
            self.hear(Heard::Refused);
        }
    }

    /// Takes messages, one right after another.
    pub fn is_told(&mut self, messages: impl IntoIterator<Item = Message>) {
        for message in messages {
            self.takes(frame(&message));
        }
    }

    pub fn takes(&mut self, frame: Frame) {
        if self.connected {
            self.hear(Heard::Said(frame));
        }
        self.passes(Duration::ZERO);
    }

    pub fn loses_master(&mut self) {
        if std::mem::replace(&mut self.connected, false) {
            self.hear(Heard::closed());
        }
    }

    /// Knocks, is let in, and is thrown out before it was told so.
    pub fn loses_what_it_was_not_told_of(&mut self) {
        self.hear(Heard::Invited);
        self.hear(Heard::closed());
    }

    pub fn is_shut_down(&mut self) {
        self.hear(Heard::Shutdown(Interrupt::Terminate));
    }

    pub fn passes(&mut self, time: Duration) {
        let until = self.now.plus(time);
        while let Some(next) = self.agenda.next_at().into_iter().chain(self.deadline()).min()
            && next <= until
        {
            self.now = self.now.max(next);
            if self.agenda.next_at().is_some_and(|at| at <= self.now) {
                let (_, event) = self.agenda.pop().expect("there is one");
                self.hear(Heard::Host(event));
            } else {
                self.hear(Heard::Due);
            }
        }
        self.now = until;
    }

    /// What it has sent since this was last asked.
    pub fn sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent)
    }

    pub fn is_connected(&self) -> bool {
        self.connected
    }

    fn deadline(&self) -> Option<MonotonicInstant> {
        self.slave.deadline().filter(|_| self.slave.exit().is_none())
    }

    fn hear(&mut self, heard: Heard) {
        if self.slave.exit().is_some() {
            return;
        }
        for deed in self.slave.hear(self.now, heard) {
            match deed {
                Deed::Send(message) => self.sent.push(cross(&message)),
                Deed::Later(after, event) => self.agenda.add(self.now.plus(after), event),
                Deed::Close | Deed::Exit => (self.connected, self.knocks) = (false, false),
                Deed::Connect => self.knocks = true,
                Deed::Utter(bytes) => panic!("a slave of ours uttered {bytes:?}"),
            }
        }
    }
}

/// The message's frame, after it has crossed the network.
fn frame(message: &Message) -> Frame {
    let mut decoder = FrameDecoder::new(SESSION, synexec_proto::wire::DATA_MAX);
    decoder.feed(&encode(message));
    decoder.next_frame().expect("it is of this session").expect("it is whole")
}

fn cross(message: &Message) -> Message {
    Message::decode(frame(message), Features::ours()).expect("it is well formed")
}
