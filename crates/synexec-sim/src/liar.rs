//! A slave that speaks our protocol and breaks one rule of it.

use std::time::Duration;

use synexec_proto::digest::Digest;
use synexec_proto::message::{
    Capabilities, ClockProbe, ClockReply, ConfBegin, Features, Fetch, Held, Message, OutputMark, OutputPlace, Reason,
    ResumeToken, TaskEnded,
};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_proto::wire::Frame;

use crate::client_event::{ClientAction, ClientEvent, HostEvent};
use crate::crossing::block_with_features;
use crate::time::{millis, secs};

/// The length of the output of its task, as it tells the master.
const OUTPUT_LENGTH: u64 = 1000;

/// Bytes that a crawling liar sends in a second.
const CRAWL: u64 = 5000;

/// The rule that a liar breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Its clock goes back while it answers.
    ClockGoesBack,
    /// By its clock, its answer took longer than the master has waited for it.
    ThoughtTooLong,
    /// Its clock shows an instant that no clock can reach.
    ClockAtTheEnd,
    /// It answers a clock question that the master has not asked.
    OtherQuestion,
    /// It does not answer clock questions.
    NoClock,
    /// It confirms another instant than the ordered one.
    OtherInstant,
    /// It accepts the conf and refuses the start.
    NoStart,
    /// It reports a start at the last instant that there is.
    StartAtTheEnd,
    /// Its digest is that of another output.
    OtherDigest,
    /// It marks the end of its output and gives no digest.
    NoDigest,
    /// It sends one byte more than the master asked for.
    MoreOutput,
    /// It marks the end of its output at a wrong position.
    OtherPosition,
    /// It sends a hundred marks without a byte, and none of them is the end.
    EmptyMarks,
    /// It sends an empty part of its output every ten seconds.
    EmptyParts,
    /// It sends one byte of its output every ten seconds.
    Trickle,
    /// It sends all bytes that the master asks for and never marks the end.
    EndlessOutput,
    /// It says that its output has no end, and sends all bytes that the master asks for.
    ClaimedEndless,
    /// It says that its output has no end, and sends some KiB a second of all bytes that the master asks for.
    Crawl,
    /// It tells of standard error, for which it was not asked.
    TellsErrors,
    /// It answers that it cannot read its output.
    NoOutput,
    /// Each time when the master asks for its output, it disconnects and connects again.
    ComesBack,
    /// Each time when the master asks for its output, it sends one byte, disconnects and connects again.
    ComesBackForEachByte,
    /// It breaks no rule, but its release is an older one that cannot resume.
    IsOlder,
}

/// A slave that breaks one rule.
#[derive(Debug)]
pub struct Liar {
    lie: Lie,
    /// Bytes of the conf that have not come yet.
    left: u64,
    connected: bool,
    token: Option<ResumeToken>,
    /// The position and the length of the rest of the window that a crawling liar sends.
    owed: (u64, u64),
}

impl Liar {
    pub fn new(lie: Lie) -> Self {
        Self { lie, left: 0, connected: false, token: None, owed: (0, 0) }
    }

    /// It connects without a probe.
    pub fn handle(&mut self, event: ClientEvent) -> Vec<ClientAction> {
        match event {
            ClientEvent::Booted => vec![ClientAction::Connect],
            ClientEvent::Connected => {
                self.connected = true;
                vec![ClientAction::Send(Message::Reply(Some(self.hello())))]
            }
            ClientEvent::Received(frame) => match decode(frame) {
                Message::Fetch(_) if self.lie == Lie::EmptyParts => send_part(Vec::new()),
                Message::Fetch(_) if self.lie == Lie::Trickle => send_part(vec![b'x']),
                Message::Fetch(_) if self.lie == Lie::ComesBack => vec![ClientAction::Close, ClientAction::Connect],
                Message::Fetch(_) if self.lie == Lie::ComesBackForEachByte => {
                    vec![
                        ClientAction::Send(Message::OutputPart(vec![b'x'])),
                        ClientAction::Close,
                        ClientAction::Connect,
                    ]
                }
                Message::Fetch(fetch) if self.lie == Lie::Crawl => {
                    self.owed = (fetch.offset, fetch.length.into());
                    vec![ClientAction::Later(secs(1), HostEvent::Ended(0))]
                }
                Message::Fetch(fetch) => self.output(fetch).into_iter().map(ClientAction::Send).collect(),
                message => self.answer(message).map(ClientAction::Send).into_iter().collect(),
            },
            ClientEvent::Host(_) if self.connected && self.lie == Lie::Trickle => send_part(vec![b'x']),
            ClientEvent::Host(_) if self.connected && self.lie == Lie::Crawl => self.crawl(),
            ClientEvent::Host(_) if self.connected => send_part(Vec::new()),
            ClientEvent::Disconnected(_) => {
                self.connected = false;
                vec![ClientAction::Close]
            }
            _ => Vec::new(),
        }
    }

    fn hello(&self) -> Capabilities {
        let hello = Capabilities::ours("liar").resuming(self.token);
        if self.lie != Lie::IsOlder {
            return hello;
        }
        block_with_features(0x7f)
    }

    fn answer(&mut self, message: Message) -> Option<Message> {
        match message {
            Message::Probe(_) => Some(Message::Reply(None)),
            Message::ConfBegin(ConfBegin { length, token, .. }) => {
                self.token = token;
                self.await_conf(length)
            }
            Message::ConfPart(bytes) => {
                self.await_conf(self.left - u64::try_from(bytes.len()).expect("a part of a conf is short"))
            }
            Message::ClockProbe(ClockProbe { sent }) => self.clock(sent).map(Message::ClockReply),
            Message::Exec(Some(_)) if self.lie == Lie::NoStart => Some(Message::ExecNo(None)),
            Message::Exec(Some(at)) if self.lie == Lie::OtherInstant => {
                Some(Message::ExecOk(Some(at.plus(Duration::from_nanos(1)))))
            }
            Message::Exec(Some(at)) => Some(Message::ExecOk(Some(at))),
            Message::Go => Some(Message::TaskEnded(Box::new(self.ended()))),
            _ => None,
        }
    }

    fn await_conf(&mut self, left: u64) -> Option<Message> {
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
            Lie::EndlessOutput | Lie::ClaimedEndless => {
                let mut all = zeros(length.into());
                all.push(mark(offset + u64::from(length), false, None));
                return all;
            }
            Lie::NoOutput => return vec![Message::OutputNo(Some(Reason::new("no such file")))],
            _ => mark(end, true, Some(Digest::of(bytes))),
        };
        vec![Message::OutputPart(bytes.to_vec()), answer]
    }

    /// Sends a second's worth of the window.
    fn crawl(&mut self) -> Vec<ClientAction> {
        let (position, left) = self.owed;
        let length = left.min(CRAWL);
        self.owed = (position + length, left - length);
        let mut messages = zeros(length);
        if length == left {
            let mark = OutputMark { position: position + length, is_end: false, digest: None };
            messages.push(Message::OutputMark(mark));
        }
        let mut actions: Vec<_> = messages.into_iter().map(ClientAction::Send).collect();
        actions.extend((length < left).then_some(ClientAction::Later(secs(1), HostEvent::Ended(0))));
        actions
    }

    fn ended(&self) -> TaskEnded {
        let is_endless = matches!(self.lie, Lie::ClaimedEndless | Lie::Crawl);
        let length = if is_endless { u64::MAX } else { OUTPUT_LENGTH };
        let place = OutputPlace { length, path: "/tmp/liar.out".into() };
        let errors = (self.lie == Lie::TellsErrors).then(|| place.clone());
        TaskEnded { output: Some(place), errors, ..ended() }
    }
}

/// A part of an output, and another one ten seconds later.
fn send_part(part: Vec<u8>) -> Vec<ClientAction> {
    vec![ClientAction::Send(Message::OutputPart(part)), ClientAction::Later(secs(10), HostEvent::Ended(0))]
}

fn zeros(length: u64) -> Vec<Message> {
    let bytes = vec![0; usize::try_from(length).expect("the master asks for short pieces")];
    bytes.chunks(60_000).map(|part| Message::OutputPart(part.to_vec())).collect()
}

fn decode(frame: Frame) -> Message {
    Message::decode(frame, Features::ours()).expect("every message of the master can be decoded")
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
        errors: None,
        was_stopped: false,
        last_lines: None,
        output_lost: None,
    }
}
