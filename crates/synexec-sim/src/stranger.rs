//! A process that connects to the master and is no slave.

use synexec_proto::message::{Capabilities, Message, ResumeToken};
use synexec_proto::wire::{Command, Header, SessionId};

use crate::client_event::{ClientAction, ClientEvent};

/// What a stranger does when it is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It says nothing.
    Silent,
    /// It speaks another protocol.
    Garbage,
    /// It says hello to another session.
    OtherSession,
    /// It begins a message and does not end it.
    HalfHeader,
    /// It says hello and then answers nothing.
    HelloOnly,
    /// It sends messages that only a member may send.
    Impostor,
    /// It claims to be the member with this token, and answers as that member does.
    Returns(ResumeToken),
}

/// A process that connects to the master and is no slave.
#[derive(Debug)]
pub struct Stranger(pub Manner);

impl Stranger {
    /// It connects without a probe.
    pub fn handle(&self, event: &ClientEvent) -> Vec<ClientAction> {
        match event {
            ClientEvent::Booted => vec![ClientAction::Connect],
            ClientEvent::Connected => self.speak(),
            ClientEvent::Received(_) if matches!(self.0, Manner::Returns(_)) => {
                vec![ClientAction::Send(Message::Reply(None))]
            }
            ClientEvent::Disconnected(_) => vec![ClientAction::Close],
            _ => Vec::new(),
        }
    }

    fn speak(&self) -> Vec<ClientAction> {
        let hello = |session| Header::new(SessionId(session), Command::Reply, 0).encode().to_vec();
        match self.0 {
            Manner::Silent => Vec::new(),
            Manner::Garbage => vec![ClientAction::SendBytes(b"GET / HTTP/1.1\r\n\r\n".to_vec())],
            Manner::OtherSession => vec![ClientAction::SendBytes(hello(u32::MAX))],
            Manner::HalfHeader => vec![ClientAction::SendBytes(hello(0).split_off(6))],
            Manner::HelloOnly => vec![ClientAction::Send(Message::Reply(None))],
            Manner::Returns(token) => {
                let block = Capabilities::ours("back").resuming(Some(token));
                vec![ClientAction::Send(Message::Reply(Some(block)))]
            }
            Manner::Impostor => [Message::ConfOk(None), Message::ExecOk(None)].map(ClientAction::Send).into(),
        }
    }
}
