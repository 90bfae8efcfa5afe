//! A slave that speaks version 1 only, and follows a script.

use std::time::Duration;

use synexec_proto::message::{Features, FinishedRecord, Message};
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_proto::wire::{Command, Frame};

use crate::client_event::{ClientAction, ClientEvent, HostEvent};
use crate::crossing::SESSION;
use crate::time::secs;

/// How an original answers at one step of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It does what version 1 asks for.
    Right,
    /// It refuses, with `CONF_NO` or `EXEC_NO`.
    No,
    /// It says nothing, now and from now on, and stays connected.
    Silence,
    /// Its host disappears.
    Vanish,
    /// It sends a FINISHD of the wrong length.
    Garbled,
}

/// How an original answers at each step of a session. By default every answer is right, and its command runs for a second.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// The answer to the probe of a new connection.
    pub probe: Answer,
    /// The answer to the conf.
    pub conf: Answer,
    /// The answer to EXEC.
    pub exec: Answer,
    /// What it does when its command has ended.
    pub finish: Answer,
    /// Time that its command runs.
    pub runs: Duration,
}

/// A slave that speaks version 1 only.
#[derive(Debug)]
pub struct Original {
    script: Script,
    /// The conf of its present connection.
    pub conf: Option<Vec<u8>>,
    /// How many times its command has started.
    pub runs: u32,
    /// When its command started, each time.
    pub started: Vec<MonotonicInstant>,
    /// Whether it has a connection, or has asked for one.
    connected: bool,
    silent: bool,
}

impl Default for Script {
    fn default() -> Self {
        let right = Answer::Right;
        Self { probe: right, conf: right, exec: right, finish: right, runs: secs(1) }
    }
}

impl Original {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, conf: None, runs: 0, started: Vec::new(), connected: false, silent: false }
    }

    pub(crate) fn handle(&mut self, now: MonotonicInstant, event: ClientEvent) -> Vec<ClientAction> {
        match event {
            ClientEvent::Invited if !self.connected => {
                self.connected = true;
                vec![ClientAction::Connect]
            }
            ClientEvent::Refused => {
                self.connected = false;
                Vec::new()
            }
            ClientEvent::Connected => vec![ClientAction::Send(Message::Reply(None))],
            ClientEvent::Disconnected(_) => {
                (self.connected, self.conf) = (false, None);
                vec![ClientAction::Close]
            }
            ClientEvent::Received(frame) if !self.silent => self.answer(now, decode(frame)),
            ClientEvent::Host(HostEvent::Ended(number)) if number == self.runs && self.connected && !self.silent => {
                self.follow(self.script.finish, vec![ClientAction::Send(finished())], Vec::new())
            }
            _ => Vec::new(),
        }
    }

    fn answer(&mut self, now: MonotonicInstant, message: Message) -> Vec<ClientAction> {
        match message {
            Message::Probe(_) => {
                self.follow(self.script.probe, vec![ClientAction::Send(Message::Reply(None))], Vec::new())
            }
            Message::Conf(bytes) => {
                self.conf = Some(bytes);
                let no = vec![ClientAction::Send(Message::ConfNo(None))];
                self.follow(self.script.conf, vec![ClientAction::Send(Message::ConfOk(None))], no)
            }
            Message::Exec(None) => {
                let end = ClientAction::Later(self.script.runs, HostEvent::Ended(self.runs + 1));
                let no = vec![ClientAction::Send(Message::ExecNo(None))];
                let right = vec![ClientAction::Send(Message::ExecOk(None)), end];
                let actions = self.follow(self.script.exec, right, no);
                if self.script.exec == Answer::Right {
                    self.runs += 1;
                    self.started.push(now);
                }
                actions
            }
            other => panic!("an original was sent {other:?}"),
        }
    }

    fn follow(&mut self, answer: Answer, right: Vec<ClientAction>, no: Vec<ClientAction>) -> Vec<ClientAction> {
        match answer {
            Answer::Right => right,
            Answer::No => no,
            Answer::Silence => {
                self.silent = true;
                Vec::new()
            }
            Answer::Vanish => vec![ClientAction::Exit],
            Answer::Garbled => vec![ClientAction::SendBytes(garbled())],
        }
    }
}

fn decode(frame: Frame) -> Message {
    Message::decode(frame, Features::NONE).expect("every message of version 1 can be decoded")
}

fn garbled() -> Vec<u8> {
    Frame::new(Command::Finished, vec![0; 47]).expect("47 bytes fit into a frame").encode(SESSION)
}

fn finished() -> Message {
    let time = |seconds| WallClockTime::from_seconds_and_micros(seconds, 0);
    Message::Finished(FinishedRecord { started: time(100), finished: time(101) })
}
