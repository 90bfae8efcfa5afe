//! Random messages and events for the state machines of both programs.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use synexec_proto::digest::Digest;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{
    Capabilities, ClockProbe, ClockReply, ConfBegin, Fetch, FinishedRecord, Guest, Held, Hold, Message, OutputMark,
    OutputPlace, Reason, ResumeToken, TaskEnded, TaskProgress, TaskStream, Usage,
};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_proto::variables::Variables;
use synexec_proto::wire::{Command, Frame};
use synexec_session::master::OutputsWanted;

use synexec_sim::START;

/// Any frame, mostly well formed.
pub fn frame() -> impl Strategy<Value = Frame> {
    let garbled = (0..46_u8, vec(any::<u8>(), 0..60));
    prop_oneof![
        9 => message().prop_map(|message| message.encode().expect("the message fits into a frame")),
        1 => garbled.prop_map(|(code, data)| Frame::new(Command::from(code), data).expect("the message fits into a frame")),
    ]
}

/// Any message, for a master or a slave.
fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        4 => capabilities().prop_map(Message::Reply),
        2 => capabilities().prop_map(Message::Probe),
        2 => bytes().prop_map(Message::Conf),
        4 => prop::option::of(Just(Held::BeforeExec)).prop_map(Message::ConfOk),
        1 => reason().prop_map(Message::ConfNo),
        4 => prop::option::of(instant()).prop_map(Message::Exec),
        4 => prop::option::of(instant()).prop_map(Message::ExecOk),
        3 => Just(Message::Go),
        2 => any::<u32>().prop_map(|round| Message::Hold(Hold { round })),
        1 => instant().prop_map(|sent| Message::ClockProbe(ClockProbe { sent })),
        2 => (instant(), instant(), instant())
            .prop_map(|(sent, received, replied)| Message::ClockReply(ClockReply { sent, received, replied })),
        1 => reason().prop_map(Message::ExecNo),
        1 => Just(Message::Finished(FinishedRecord { started: wall_clock(-5), finished: wall_clock(5) })),
        2 => conf_begin().prop_map(Message::ConfBegin),
        2 => bytes().prop_map(Message::ConfPart),
        2 => task_end().prop_map(|end| Message::TaskEnded(Box::new(task_ended(end)))),
        1 => Just(Message::Stop),
        1 => any::<u64>().prop_map(|output| Message::Running(TaskProgress { output, ..TaskProgress::default() })),
        1 => Just(Message::Stopped(TaskProgress::default())),
        2 => fetch().prop_map(Message::Fetch),
        3 => bytes().prop_map(Message::OutputPart),
        3 => output_mark().prop_map(Message::OutputMark),
        1 => reason().prop_map(Message::OutputNo),
        1 => reason().prop_map(Message::Bye),
        1 => any::<u8>().prop_map(|code| Message::Ignored(Command::Unknown(code))),
    ]
}

/// A stream of a task.
pub fn stream() -> impl Strategy<Value = TaskStream> {
    prop_oneof![Just(TaskStream::Output), Just(TaskStream::Errors)]
}

fn fetch() -> impl Strategy<Value = Fetch> {
    let offset = prop_oneof![3 => Just(0), 1 => any::<u64>()];
    let other = prop::option::of(prop_oneof![0..9u64, any::<u64>()]);
    (stream(), offset, any::<u32>(), any::<bool>(), other).prop_map(|(stream, offset, length, follow, other)| Fetch {
        stream,
        offset,
        length,
        follow,
        other,
    })
}

/// A mark near the beginning of an output or anywhere, with the digest of no bytes or without a digest.
fn output_mark() -> impl Strategy<Value = OutputMark> {
    let position = prop_oneof![3 => 0..40_u64, 1 => any::<u64>()];
    let digest = prop::option::of(Just(Digest::of(b"")));
    (position, any::<bool>(), digest).prop_map(|(position, is_end, digest)| OutputMark { position, is_end, digest })
}

pub fn capabilities() -> impl Strategy<Value = Option<Capabilities>> {
    let few = (prop::option::of(token()), prop::option::of(0..5_u32));
    let ours = few.prop_map(|(token, rank)| Capabilities::ours("peer").resuming(token).asking_for(rank));
    prop::option::of(ours)
}

pub fn task_end() -> impl Strategy<Value = TaskEnd> {
    prop_oneof![
        3 => Just(TaskEnd::Exited(0)),
        1 => any::<u8>().prop_map(TaskEnd::Exited),
        1 => (1..64_u8).prop_map(TaskEnd::Killed),
    ]
}

pub fn task_ended(end: TaskEnd) -> TaskEnded {
    let at = MonotonicInstant::from_nanos;
    TaskEnded {
        started: wall_clock(1),
        finished: wall_clock(2),
        started_at: at(9),
        finished_at: at(8),
        end,
        start_uncertainty: Some(Duration::MAX),
        lateness: Some(Duration::from_secs(u64::MAX)),
        usage: Some(Usage::default()),
        guest: Some(Guest { clock_step: i64::MIN, ..Guest::default() }),
        output: Some(OutputPlace { length: u64::MAX, path: "/tmp/synexec.out".into() }),
        errors: Some(OutputPlace { length: u64::MAX, path: "/tmp/synexec.err".into() }),
        was_stopped: false,
        last_lines: None,
        output_lost: None,
    }
}

/// Instants near the beginning of the world, and any others.
fn instant() -> impl Strategy<Value = MonotonicInstant> {
    let near = (0..100_000_000_u64).prop_map(|nanos| START.plus(Duration::from_nanos(nanos)));
    prop_oneof![3 => near, 1 => any::<u64>().prop_map(MonotonicInstant::from_nanos)]
}

pub fn disconnect() -> impl Strategy<Value = Disconnect> {
    let broken = Just(Disconnect::Broken("reset".into()));
    prop_oneof![Just(Disconnect::Closed), broken, Just(Disconnect::Stalled), Just(Disconnect::NotReading)]
}

pub fn result<T: Clone + std::fmt::Debug>(good: T) -> impl Strategy<Value = Result<T, Reason>> {
    any::<bool>().prop_map(move |ok| if ok { Ok(good.clone()) } else { Err(Reason::new("no")) })
}

/// Steps of time, from none to hours.
pub fn millis() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..50_u64, 900..1100_u64, 4900..5100_u64, 0..35_000_u64, 0..10_000_000_u64]
}

fn conf_begin() -> impl Strategy<Value = ConfBegin> {
    let length = prop_oneof![0..6_u64, Just(u64::MAX)];
    let progress = prop::option::of((0..3000_u64).prop_map(Duration::from_millis));
    let heartbeat = prop::option::of((0..9000_u64).prop_map(Duration::from_millis));
    (any::<u32>(), length, progress, prop::option::of(token()), variables(), any::<bool>(), heartbeat).prop_map(
        |(rank, length, progress, token, variables, separate, heartbeat)| ConfBegin {
            rank,
            slaves: 3,
            length,
            progress,
            token,
            variables,
            separate,
            heartbeat,
        },
    )
}

/// Variables for the tasks, mostly none.
pub fn variables() -> impl Strategy<Value = Variables> {
    let some = Variables::new(["A=1", "B="].map(|text| text.parse().expect("the text is a variable")));
    prop_oneof![4 => Just(Variables::default()), 1 => Just(some.expect("the variables are short"))]
}

/// One of a few values, so that some are equal.
fn token() -> impl Strategy<Value = ResumeToken> {
    (0..3_u8).prop_map(|number| ResumeToken::new([number; 16]))
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..6)
}

fn reason() -> impl Strategy<Value = Option<Reason>> {
    any::<bool>().prop_map(|given| given.then(|| Reason::new("no")))
}

fn wall_clock(nanos: i64) -> WallClockTime {
    WallClockTime::from_nanos(nanos)
}

/// The user's choice of outputs.
pub fn outputs() -> impl Strategy<Value = OutputsWanted> {
    prop_oneof![
        Just(OutputsWanted::Nothing),
        Just(OutputsWanted::Tails(100)),
        Just(OutputsWanted::Whole),
        Just(OutputsWanted::Live),
    ]
}
