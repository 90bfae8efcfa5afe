//! A slave that behaves correctly when the fuzzer lets it. It contains no state machine of ours.

use std::collections::VecDeque;
use std::time::Duration;

use arbitrary::Result;
use synexec_proto::message::{
    ClockProbe, ClockReply, ConfBegin, Fetch, FinishedRecord, Held, Message, OutputPlace, ResumeToken, TaskEnded,
};
use synexec_proto::time::{ClockOffset, MonotonicInstant, WallClockTime};

use crate::draw::{self, Input};
use synexec_sim::answer_fetch;

/// Largest number of messages that wait for an answer.
const TOLD: usize = 8;

/// The output of the task.
const OUTPUT: &[u8] = b"one line\nanother line\n";

/// The slave at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Guest {
    clock: ClockOffset,
    told: VecDeque<Message>,
    /// Whether the master sent the conf as to one of our slaves.
    extended: bool,
    runs: bool,
    token: Option<ResumeToken>,
}

impl Guest {
    /// A slave whose clock is ahead by this many seconds.
    pub fn new(ahead: u8) -> Self {
        let clock = ClockOffset::from_nanos(i64::from(ahead) * 1_000_000_000);
        Self { clock, told: VecDeque::new(), extended: false, runs: false, token: None }
    }

    /// Receives a message, which the slave answers later.
    pub fn told(&mut self, message: Message) {
        if self.told.len() < TOLD {
            self.told.push_back(message);
        }
    }

    /// Receives the conf. `begin` is the header that our slaves get.
    pub fn receive_conf(&mut self, begin: Option<ConfBegin>) {
        self.extended = begin.is_some();
        self.token = begin.as_ref().and_then(|begin| begin.token);
        self.told(begin.map_or(Message::Conf(Vec::new()), Message::ConfBegin));
    }

    /// The token with which the slave can resume its connection.
    pub fn token(&self) -> Option<ResumeToken> {
        self.token
    }

    /// Answers the oldest message.
    pub fn answer(&mut self, now: MonotonicInstant) -> Option<Vec<Message>> {
        let answer = match self.told.pop_front()? {
            Message::Probe(_) => Message::Reply(None),
            Message::Conf(_) | Message::ConfBegin(_) | Message::Hold(_) => self.accepts(),
            Message::Exec(at) => {
                self.runs |= at.is_none();
                Message::ExecOk(at)
            }
            Message::ClockProbe(ClockProbe { sent }) => {
                let here = self.clock.to_theirs(now);
                Message::ClockReply(ClockReply { sent, received: here, replied: here })
            }
            Message::Fetch(fetch) => return Some(output(fetch)),
            Message::Go => {
                self.runs = true;
                return Some(Vec::new());
            }
            _ => return Some(Vec::new()),
        };
        Some(vec![answer])
    }

    /// Answers the oldest message wrongly.
    pub fn answer_wrongly(&mut self, now: MonotonicInstant) -> Option<Vec<Message>> {
        let just_beside = |at: MonotonicInstant| at.plus(Duration::from_nanos(1));
        let answer = match self.told.pop_front()? {
            Message::Conf(_) | Message::ConfBegin(_) | Message::Hold(_) => Message::ConfNo(None),
            Message::Exec(at) => Message::ExecOk(at.map(just_beside)),
            Message::ClockProbe(ClockProbe { sent }) => {
                Message::ClockReply(ClockReply { sent: just_beside(sent), received: now, replied: now })
            }
            Message::Fetch(fetch) => return Some(output(Fetch { offset: fetch.offset.saturating_add(1), ..fetch })),
            Message::Go => Message::ExecNo(None),
            _ => return Some(Vec::new()),
        };
        Some(vec![answer])
    }

    /// Ends the task, if the task runs.
    pub fn task_ends(&mut self, input: &mut Input<'_>, now: MonotonicInstant) -> Result<Option<Message>> {
        if !std::mem::take(&mut self.runs) {
            return Ok(None);
        }
        let (started, finished) = (WallClockTime::from_nanos(0), WallClockTime::from_nanos(1_000_000_000));
        if !self.extended {
            return Ok(Some(Message::Finished(FinishedRecord { started, finished })));
        }
        let here = self.clock.to_theirs(now);
        Ok(Some(Message::TaskEnded(Box::new(TaskEnded {
            started,
            finished,
            started_at: here.minus(Duration::from_millis(1)),
            finished_at: here,
            end: draw::task_end(input)?,
            start_uncertainty: Some(Duration::ZERO),
            lateness: None,
            usage: None,
            guest: None,
            output: Some(OutputPlace { length: length(OUTPUT), path: "/tmp/synexec.out".into() }),
            errors: Some(OutputPlace { length: length(OUTPUT), path: "/tmp/synexec.err".into() }),
            was_stopped: false,
            last_lines: None,
            output_lost: None,
        }))))
    }

    fn accepts(&self) -> Message {
        Message::ConfOk(self.extended.then_some(Held::AtFirstInstruction))
    }
}

/// The answer to a FETCH after the end of the task.
fn output(fetch: Fetch) -> Vec<Message> {
    let place = |at: u64| usize::try_from(at).map_or(OUTPUT.len(), |at| at.min(OUTPUT.len()));
    let bytes = |from, to| OUTPUT[place(from)..place(to).max(place(from))].to_vec();
    answer_fetch(bytes, length(OUTPUT), true, fetch)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("the value is small")
}
