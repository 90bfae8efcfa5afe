//! Whoever connects and is no slave.

use synexec_proto::message::{Capabilities, Message, ResumeToken};
use synexec_proto::wire::{Command, Header, SessionId};

use super::client::{Deed, Heard};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Silent,
    /// Speaks another protocol.
    Garbage,
    /// Belongs to another session.
    OtherSession,
    /// Begins a message and does not end it.
    HalfHeader,
    /// Says hello, and never answers.
    HelloOnly,
    /// Says what only a slave that takes part has to say.
    Impostor,
    /// Says that it is the member with this token.
    Returns(ResumeToken),
}

#[derive(Debug)]
pub struct Stranger(pub Manner);

impl Stranger {
    /// It connects unasked.
    pub fn hear(&self, heard: &Heard) -> Vec<Deed> {
        match heard {
            Heard::Booted => vec![Deed::Connect],
            Heard::Connected => self.speak(),
            Heard::Closed(_) => vec![Deed::Close],
            _ => Vec::new(),
        }
    }

    fn speak(&self) -> Vec<Deed> {
        let hello = |session| Header::new(SessionId(session), Command::Reply, 0).encode().to_vec();
        match self.0 {
            Manner::Silent => Vec::new(),
            Manner::Garbage => vec![Deed::Utter(b"GET / HTTP/1.1\r\n\r\n".to_vec())],
            Manner::OtherSession => vec![Deed::Utter(hello(u32::MAX))],
            Manner::HalfHeader => vec![Deed::Utter(hello(0).split_off(6))],
            Manner::HelloOnly => vec![Deed::Send(Message::Reply(None))],
            Manner::Returns(token) => {
                vec![Deed::Send(Message::Reply(Some(Capabilities::ours("back").resuming(Some(token)))))]
            }
            Manner::Impostor => vec![Deed::Send(Message::ConfOk(None)), Deed::Send(Message::ExecOk(None))],
        }
    }
}
