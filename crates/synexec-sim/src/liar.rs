//! A slave that speaks our protocol, and does not tell the truth.

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::message::{
    Capabilities, ClockProbe, ClockReply, ConfBegin, Features, Fetch, Held, Message, OutputMark, OutputPlace, Reason,
    ResumeToken, TaskEnded,
};
use synexec_proto::outcome::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_proto::wire::Frame;

use super::client::{Deed, Heard, HostEvent};
use super::time::{millis, secs};

/// What it says that its task has written.
const OUTPUT_LENGTH: u64 = 1000;

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
    /// Its output is not what its digest says.
    OtherDigest,
    /// It says that its output is whole, and not what its digest is.
    NoDigest,
    /// It gives a byte more than it was asked for.
    MoreOutput,
    /// Its output ends elsewhere than it says.
    OtherPosition,
    /// It answers with nothing, and does not say that this is all; again and again.
    EmptyMarks,
    /// It gives nothing, every ten seconds.
    EmptyParts,
    /// It gives a byte every ten seconds.
    Trickle,
    /// It gives all that it is asked for, and never says that this is all.
    EndlessOutput,
    /// It says that it cannot give its output.
    NoOutput,
    /// Whenever it is asked for its output it leaves, and comes back.
    ComesBack,
    /// The same, after a byte of it.
    ComesBackForEachByte,
    /// Its release is an older one, that knows of no coming back; otherwise it does all that it should.
    IsOlder,
}

#[derive(Debug)]
pub struct Liar {
    lie: Lie,
    /// Bytes of conf to come.
    left: u64,
    connected: bool,
    token: Option<ResumeToken>,
}

impl Liar {
    pub fn new(lie: Lie) -> Self {
        Self { lie, left: 0, connected: false, token: None }
    }

    /// It connects unasked.
    pub fn hear(&mut self, heard: Heard) -> Vec<Deed> {
        match heard {
            Heard::Booted => vec![Deed::Connect],
            Heard::Connected => {
                self.connected = true;
                vec![Deed::Send(Message::Reply(Some(self.hello())))]
            }
            Heard::Said(frame) => match read(frame) {
                Message::Fetch(_) if self.lie == Lie::EmptyParts => give(Vec::new()),
                Message::Fetch(_) if self.lie == Lie::Trickle => give(vec![b'x']),
                Message::Fetch(_) if self.lie == Lie::ComesBack => vec![Deed::Close, Deed::Connect],
                Message::Fetch(_) if self.lie == Lie::ComesBackForEachByte => {
                    vec![Deed::Send(Message::OutputPart(vec![b'x'])), Deed::Close, Deed::Connect]
                }
                Message::Fetch(fetch) => self.output(fetch).into_iter().map(Deed::Send).collect(),
                message => self.answer(message).map(Deed::Send).into_iter().collect(),
            },
            Heard::Host(_) if self.connected && self.lie == Lie::Trickle => give(vec![b'x']),
            Heard::Host(_) if self.connected => give(Vec::new()),
            Heard::Closed(_) => {
                self.connected = false;
                vec![Deed::Close]
            }
            _ => Vec::new(),
        }
    }

    fn hello(&self) -> Capabilities {
        let hello = Capabilities::ours("liar").resuming(self.token);
        if self.lie != Lie::IsOlder {
            return hello;
        }
        let older = b"SYNX\x00\x01\x00\x00\x00\x00\x00\x00\x00\x7f";
        Capabilities::decode(older).expect("it is whole").expect("it is one")
    }

    fn answer(&mut self, message: Message) -> Option<Message> {
        match message {
            Message::Probe(_) => Some(Message::Reply(None)),
            Message::ConfBegin(ConfBegin { length, token, .. }) => {
                self.token = token;
                self.expect(length)
            }
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
            _ => Some(reply),
        }
    }

    fn output(&self, Fetch { offset, length, .. }: Fetch) -> Vec<Message> {
        let mark = |position, is_end, digest| Message::OutputMark(OutputMark { position, is_end, digest });
        let bytes = b"output";
        let end = offset + 6;
        let answer = match self.lie {
            Lie::OtherDigest => mark(end, true, Some(Digest::of(b"Output"))),
            Lie::NoDigest => mark(end, true, None),
            Lie::OtherPosition => mark(end + 1, true, Some(Digest::of(bytes))),
            Lie::EmptyMarks => return vec![mark(offset, false, None); 100],
            Lie::MoreOutput => return zeros(u64::from(length) + 1),
            Lie::EndlessOutput => {
                let mut all = zeros(length.into());
                all.push(mark(offset + u64::from(length), false, None));
                return all;
            }
            Lie::NoOutput => return vec![Message::OutputNo(Some(Reason::new("no such file")))],
            _ => mark(end, true, Some(Digest::of(bytes))),
        };
        vec![Message::OutputPart(bytes.to_vec()), answer]
    }
}

/// A part, and before long another one.
fn give(part: Vec<u8>) -> Vec<Deed> {
    vec![Deed::Send(Message::OutputPart(part)), Deed::Later(secs(10), HostEvent::Ended(0))]
}

fn zeros(length: u64) -> Vec<Message> {
    let bytes = vec![0; usize::try_from(length).expect("it is small")];
    bytes.chunks(60_000).map(|part| Message::OutputPart(part.to_vec())).collect()
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
        output: Some(OutputPlace { length: OUTPUT_LENGTH, path: "/tmp/liar.out".into() }),
        was_stopped: false,
    }
}
