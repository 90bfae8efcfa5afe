//! A slave that speaks our protocol, and does not tell the truth.

use std::time::Duration;

use synexec_proto::message::{Capabilities, ClockProbe, ClockReply, ConfBegin, Features, Held, Message, TaskEnded};
use synexec_proto::outcome::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_proto::wire::Frame;

use super::client::{Deed, Heard};
use super::time::millis;

/// What it does not do right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Its clock goes back while it answers.
    ClockGoesBack,
    /// It claims to have thought longer than the master has waited.
    ThoughtTooLong,
    /// Its clock shows what none can.
    ClockAtTheEnd,
    /// It answers a question that nobody has asked.
    OtherQuestion,
    /// It does not tell what its clock shows.
    NoClock,
    /// It confirms another instant than the ordered one.
    OtherInstant,
    /// It accepts the conf, and refuses the start.
    NoStart,
    /// It tells of a start at the end of all time.
    StartAtTheEnd,
}

#[derive(Debug)]
pub struct Liar {
    lie: Lie,
    /// Bytes of conf to come.
    left: u64,
}

impl Liar {
    pub fn new(lie: Lie) -> Self {
        Self { lie, left: 0 }
    }

    /// It connects unasked.
    pub fn hear(&mut self, heard: Heard) -> Vec<Deed> {
        match heard {
            Heard::Booted => vec![Deed::Connect],
            Heard::Connected => vec![Deed::Send(Message::Reply(Some(Capabilities::ours("liar"))))],
            Heard::Said(frame) => self.answer(read(frame)).map(Deed::Send).into_iter().collect(),
            Heard::Closed(_) => vec![Deed::Close],
            _ => Vec::new(),
        }
    }

    fn answer(&mut self, message: Message) -> Option<Message> {
        match message {
            Message::Probe(_) => Some(Message::Reply(None)),
            Message::ConfBegin(ConfBegin { length, .. }) => self.expect(length),
            Message::ConfPart(bytes) => self.expect(self.left - u64::try_from(bytes.len()).expect("it is short")),
            Message::ClockProbe(ClockProbe { sent }) => self.clock(sent).map(Message::ClockReply),
            Message::Exec(Some(_)) if self.lie == Lie::NoStart => Some(Message::ExecNo(None)),
            Message::Exec(Some(at)) if self.lie == Lie::OtherInstant => {
                Some(Message::ExecOk(Some(at.plus(Duration::from_nanos(1)))))
            }
            Message::Exec(Some(at)) => Some(Message::ExecOk(Some(at))),
            Message::Go => Some(Message::TaskEnded(ended())),
            _ => None,
        }
    }

    fn expect(&mut self, left: u64) -> Option<Message> {
        self.left = left;
        (left == 0).then_some(Message::ConfOk(Some(Held::AtFirstInstruction)))
    }

    fn clock(&self, sent: MonotonicInstant) -> Option<ClockReply> {
        let reply = ClockReply { sent, received: sent, replied: sent };
        match self.lie {
            Lie::NoClock => None,
            Lie::ClockGoesBack => Some(ClockReply { replied: sent.minus(Duration::from_nanos(1)), ..reply }),
            Lie::ThoughtTooLong => Some(ClockReply { replied: sent.plus(millis(100)), ..reply }),
            Lie::ClockAtTheEnd => {
                Some(ClockReply { received: MonotonicInstant::LAST, replied: MonotonicInstant::LAST, ..reply })
            }
            Lie::OtherQuestion => Some(ClockReply { sent: MonotonicInstant::from_nanos(1), ..reply }),
            Lie::OtherInstant | Lie::NoStart | Lie::StartAtTheEnd => Some(reply),
        }
    }
}

fn read(frame: Frame) -> Message {
    Message::decode(frame, Features::ours()).expect("the master writes what can be read")
}

fn ended() -> TaskEnded {
    TaskEnded {
        started: WallClockTime::from_nanos(i64::MAX),
        finished: WallClockTime::from_nanos(i64::MIN),
        started_at: MonotonicInstant::LAST,
        finished_at: MonotonicInstant::from_nanos(0),
        end: TaskEnd::Exited(0),
        start_uncertainty: Some(Duration::MAX),
        lateness: Some(Duration::MAX),
        usage: None,
        guest: None,
        output: None,
    }
}
