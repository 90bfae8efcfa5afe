//! A slave that speaks version 1 only, and does as its script says.

use std::time::Duration;

use synexec_proto::message::{Features, FinishedRecord, Message};
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_proto::wire::{Command, Frame};

use super::client::{Deed, Heard, HostEvent};
use super::link::SESSION;
use super::time::secs;

/// What it does instead of the right thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Right,
    /// `CONF_NO` or `EXEC_NO`.
    No,
    /// Nothing, now and from now on, and it stays connected.
    Silence,
    /// Its host is gone.
    Vanish,
    /// A FINISHD of the wrong length.
    Garbled,
}

/// What it does at each step of a session.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    pub probe: Answer,
    pub conf: Answer,
    pub exec: Answer,
    pub finish: Answer,
    /// Time that its command runs.
    pub runs: Duration,
}

#[derive(Debug)]
pub struct Original {
    pub script: Script,
    pub conf: Option<Vec<u8>>,
    pub runs: u32,
    /// When each run began.
    pub started: Vec<MonotonicInstant>,
    /// Or about to be.
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
    pub fn new(script: Script) -> Self {
        Self { script, conf: None, runs: 0, started: Vec::new(), connected: false, silent: false }
    }

    pub fn hear(&mut self, now: MonotonicInstant, heard: Heard) -> Vec<Deed> {
        match heard {
            Heard::Invited if !self.connected => {
                self.connected = true;
                vec![Deed::Connect]
            }
            Heard::Refused => {
                self.connected = false;
                Vec::new()
            }
            Heard::Connected => vec![Deed::Send(Message::Reply(None))],
            Heard::Closed(_) => {
                (self.connected, self.conf) = (false, None);
                vec![Deed::Close]
            }
            Heard::Said(frame) if !self.silent => self.answer(now, read(frame)),
            Heard::Host(HostEvent::Ended(number)) if number == self.runs && self.connected && !self.silent => {
                self.react(self.script.finish, vec![Deed::Send(finished())], Vec::new())
            }
            _ => Vec::new(),
        }
    }

    fn answer(&mut self, now: MonotonicInstant, message: Message) -> Vec<Deed> {
        match message {
            Message::Probe(_) => self.react(self.script.probe, vec![Deed::Send(Message::Reply(None))], Vec::new()),
            Message::Conf(bytes) => {
                self.conf = Some(bytes);
                let no = vec![Deed::Send(Message::ConfNo(None))];
                self.react(self.script.conf, vec![Deed::Send(Message::ConfOk(None))], no)
            }
            Message::Exec(None) => {
                let started = Deed::Later(self.script.runs, HostEvent::Ended(self.runs + 1));
                let no = vec![Deed::Send(Message::ExecNo(None))];
                let deeds = self.react(self.script.exec, vec![Deed::Send(Message::ExecOk(None)), started], no);
                if self.script.exec == Answer::Right {
                    self.runs += 1;
                    self.started.push(now);
                }
                deeds
            }
            other => panic!("an original was sent {other:?}"),
        }
    }

    fn react(&mut self, answer: Answer, right: Vec<Deed>, no: Vec<Deed>) -> Vec<Deed> {
        match answer {
            Answer::Right => right,
            Answer::No => no,
            Answer::Silence => {
                self.silent = true;
                Vec::new()
            }
            Answer::Vanish => vec![Deed::Exit],
            Answer::Garbled => vec![Deed::Utter(garbled())],
        }
    }
}

fn read(frame: Frame) -> Message {
    Message::decode(frame, Features::NONE).expect("version 1 has nothing that cannot be read")
}

fn garbled() -> Vec<u8> {
    Frame::new(Command::Finished, vec![0; 47]).expect("it fits").encode(SESSION)
}

fn finished() -> Message {
    let time = |seconds| WallClockTime::from_seconds_and_micros(seconds, 0);
    Message::Finished(FinishedRecord { started: time(100), finished: time(101) })
}
