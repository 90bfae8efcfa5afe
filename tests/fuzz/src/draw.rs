//! Messages and events for both state machines, made from the input.

use std::num::NonZeroU32;
use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use synexec_proto::digest::Digest;
use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::{
    Capabilities, ClockProbe, ClockReply, ConfBegin, Fetch, FinishedRecord, Guest, Held, Hold, Message, OutputMark,
    OutputPlace, Reason, ResumeToken, TOKEN_LEN, TaskEnded, TaskProgress, TaskStream, Usage,
};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::{MonotonicInstant, WallClockTime};
use synexec_proto::variables::Variables;
use synexec_proto::wire::{Command, FieldWriter, Frame, WireInteger as _};
use synexec_session::interrupt::Interrupt;
use synexec_session::master::{OtherTasks, OutputsWanted, Settings, SlaveNames};

use crate::messages::canonical_frame;
use synexec_sim::secs;

pub type Input<'a> = Unstructured<'a>;

/// Any frame, mostly a message.
pub fn frame(input: &mut Input<'_>, now: MonotonicInstant) -> Result<Frame> {
    if input.ratio(1, 8)? {
        let (command, data) = (Command::from(u8::arbitrary(input)?), bytes(input)?);
        // The rules expect features in the combinations of real revisions.
        let is_block = matches!(command, Command::Reply | Command::Probe);
        return Ok(Frame::new(command, if is_block { Vec::new() } else { data }).expect("the value is small"));
    }
    Ok(canonical_frame(&message(input, now)?))
}

/// Any message, for a master or a slave.
pub fn message(input: &mut Input<'_>, now: MonotonicInstant) -> Result<Message> {
    Ok(match input.int_in_range(0..=25)? {
        0 => Message::Reply(capabilities(input)?),
        1 => Message::Probe(capabilities(input)?),
        2 => Message::Conf(bytes(input)?),
        3 => Message::ConfOk(*input.choose(&[None, Some(Held::BeforeExec), Some(Held::AtFirstInstruction)])?),
        4 => Message::ConfNo(reason(input)?),
        5 => Message::Exec(instant_or_none(input, now)?),
        6 => Message::ExecOk(instant_or_none(input, now)?),
        7 => Message::ExecNo(reason(input)?),
        8 => Message::Finished(FinishedRecord { started: wall_clock(input)?, finished: wall_clock(input)? }),
        9 => Message::ConfBegin(conf_begin(input)?),
        10 => Message::ConfPart(bytes(input)?),
        11 => Message::TaskEnded(Box::new(task_ended(input, now)?)),
        12 => Message::Stop,
        13 => Message::ClockProbe(ClockProbe { sent: instant(input, now)? }),
        14 => Message::ClockReply(ClockReply {
            sent: instant(input, now)?,
            received: instant(input, now)?,
            replied: instant(input, now)?,
        }),
        15 => Message::Go,
        16 => Message::Hold(Hold { round: u32::arbitrary(input)? }),
        17 => Message::Running(progress(input)?),
        18 => Message::Stopped(progress(input)?),
        19 => Message::Fetch(fetch(input)?),
        20 => Message::OutputPart(bytes(input)?),
        21 => Message::OutputMark(output_mark(input)?),
        22 => Message::OutputNo(reason(input)?),
        23 => Message::Ack,
        24 => Message::Bye(reason(input)?),
        _ => Message::Ignored(Command::Unknown(*input.choose(&[11, 15, 20, 32, 58, 100, 255])?)),
    })
}

/// The settings of a session of few slaves, with any other options.
pub fn settings(input: &mut Input<'_>) -> Result<Settings> {
    let slaves = input.int_in_range(1..=4)?;
    let wait = if bool::arbitrary(input)? { Some(secs(input.int_in_range(0..=40)?)) } else { None };
    let outputs = *input.choose(&[
        OutputsWanted::Nothing,
        OutputsWanted::Tails(10),
        OutputsWanted::Whole,
        OutputsWanted::Live,
    ])?;
    let rounds = NonZeroU32::new(input.int_in_range(1..=3)?).unwrap_or(NonZeroU32::MIN);
    Ok(Settings {
        wait,
        outputs,
        max_output: *input.choose(&[1, 1000, 1 << 30])?,
        separate: bool::arbitrary(input)?,
        rounds,
        conf_length: *input.choose(&[0, 40, 70_000])?,
        runs_payload: input.ratio(1, 8)?,
        variables: variables(input)?,
        progress: if bool::arbitrary(input)? { Some(passing(input)?) } else { None },
        max_skew: if bool::arbitrary(input)? { Some(passing(input)?) } else { None },
        quorum: if input.ratio(1, 4)? { NonZeroU32::new(input.int_in_range(1..=slaves)?) } else { None },
        timeout: if input.ratio(1, 4)? { Some(passing(input)?) } else { None },
        on_lost: *input.choose(&[OtherTasks::Continue, OtherTasks::Stop])?,
        on_failure: *input.choose(&[OtherTasks::Continue, OtherTasks::Stop])?,
        names: if input.ratio(1, 4)? { names(input)? } else { SlaveNames::default() },
        reconnect: *input.choose(&[Duration::ZERO, secs(10)])?,
        lead: if input.ratio(1, 4)? { Some(passing(input)?) } else { None },
        ..synexec_sim::settings(slaves)
    })
}

/// Few names that the user expects and excludes. Most drawn slaves have the name `vm`.
fn names(input: &mut Input<'_>) -> Result<SlaveNames> {
    let few = |input: &mut Input<'_>| -> Result<Vec<String>> {
        let count = input.int_in_range(0..=3)?;
        (0..count).map(|_| Ok((*input.choose(&["vm", "läuft", "", "none"])?).to_owned())).collect()
    };
    Ok(SlaveNames::new(few(input)?, few(input)?))
}

/// Features of an imagined later revision and of all revisions so far, newest first.
const REVISIONS: [u64; 8] = [u64::MAX, 0x3ff, 0x1ff, 0xff, 0x7f, 0x3f, 0x1f, 0x0f];

/// The capability block of any revision, or none.
pub fn capabilities(input: &mut Input<'_>) -> Result<Option<Capabilities>> {
    if input.ratio(1, 3)? {
        return Ok(None);
    }
    let features = *input.choose(&REVISIONS)?;
    let fixed = [b"SYNX".as_slice(), &[0, 1], &features.to_wire()].concat();
    let block = FieldWriter::after(fixed).put(1, input.choose(&["vm", "", "\u{1b}[2J", "läuft"])?.as_bytes()).finish();
    let (token, rank) = (token(input)?, if input.ratio(1, 4)? { Some(input.int_in_range(0..=4)?) } else { None });
    let block = Capabilities::decode(&block).expect("the value is complete");
    Ok(block.map(|block| block.resuming(token).asking_for(rank)))
}

/// One of a few tokens, so that some are equal, or none.
pub fn token(input: &mut Input<'_>) -> Result<Option<ResumeToken>> {
    let number = input.int_in_range(0..=3_u8)?;
    Ok((number > 0).then(|| ResumeToken::new([number; TOKEN_LEN])))
}

pub fn task_ended(input: &mut Input<'_>, now: MonotonicInstant) -> Result<TaskEnded> {
    Ok(TaskEnded {
        started: wall_clock(input)?,
        finished: wall_clock(input)?,
        started_at: instant(input, now)?,
        finished_at: instant(input, now)?,
        end: task_end(input)?,
        start_uncertainty: duration_or_none(input)?,
        lateness: duration_or_none(input)?,
        usage: if bool::arbitrary(input)? { Some(usage(input)?) } else { None },
        guest: if bool::arbitrary(input)? { Some(guest(input)?) } else { None },
        output: if bool::arbitrary(input)? { Some(output_place(input)?) } else { None },
        errors: if bool::arbitrary(input)? { Some(output_place(input)?) } else { None },
        was_stopped: bool::arbitrary(input)?,
        last_lines: if input.ratio(1, 4)? { Some("no\nsuch file\n".into()) } else { None },
        output_lost: if input.ratio(1, 8)? { Some("the disk was full".into()) } else { None },
    })
}

pub fn task_end(input: &mut Input<'_>) -> Result<TaskEnd> {
    Ok(match input.int_in_range(0..=3)? {
        0 | 1 => TaskEnd::Exited(0),
        2 => TaskEnd::Exited(u8::arbitrary(input)?),
        _ => TaskEnd::Killed(u8::arbitrary(input)?),
    })
}

pub fn stream(input: &mut Input<'_>) -> Result<TaskStream> {
    Ok(*input.choose(&TaskStream::ALL)?)
}

/// A piece near the beginning of a stream, or anywhere.
pub fn fetch(input: &mut Input<'_>) -> Result<Fetch> {
    let offset = if bool::arbitrary(input)? { input.int_in_range(0..=100)? } else { u64::arbitrary(input)? };
    Ok(Fetch {
        stream: stream(input)?,
        offset,
        length: u32::arbitrary(input)?,
        follow: bool::arbitrary(input)?,
        other: if bool::arbitrary(input)? { Some(input.int_in_range(0..=100)?) } else { None },
    })
}

pub fn progress(input: &mut Input<'_>) -> Result<TaskProgress> {
    Ok(TaskProgress {
        elapsed: duration(input)?,
        cpu: duration(input)?,
        memory: u64::arbitrary(input)?,
        output: u64::arbitrary(input)?,
    })
}

pub fn reason(input: &mut Input<'_>) -> Result<Option<Reason>> {
    Ok(if bool::arbitrary(input)? { Some(Reason::new(input.arbitrary::<&str>()?)) } else { None })
}

pub fn disconnect(input: &mut Input<'_>) -> Result<Disconnect> {
    Ok(match input.int_in_range(0..=3)? {
        0 => Disconnect::Closed,
        1 => Disconnect::Broken("reset".into()),
        2 => Disconnect::Stalled,
        _ => Disconnect::NotReading,
    })
}

pub fn interrupt(input: &mut Input<'_>) -> Result<Interrupt> {
    Ok(*input.choose(&[Interrupt::Interrupt, Interrupt::Terminate])?)
}

/// Times near the limits of the state machines, and any others.
pub fn passing(input: &mut Input<'_>) -> Result<Duration> {
    Ok(Duration::from_millis(match input.int_in_range(0..=5)? {
        0 => input.int_in_range(0..=50)?,
        1 => input.int_in_range(900..=1100)?,
        2 => input.int_in_range(4900..=5100)?,
        3 => input.int_in_range(9900..=10_100)?,
        4 => input.int_in_range(0..=35_000)?,
        _ => input.int_in_range(0..=10_000_000)?,
    }))
}

/// At most 255 bytes.
pub fn bytes(input: &mut Input<'_>) -> Result<Vec<u8>> {
    let length = usize::from(u8::arbitrary(input)?).min(input.len());
    Ok(input.bytes(length)?.to_vec())
}

/// An instant at most half a second away, or any other.
pub fn instant(input: &mut Input<'_>, now: MonotonicInstant) -> Result<MonotonicInstant> {
    Ok(match input.int_in_range(0..=3)? {
        0 | 1 => now.plus(Duration::from_micros(input.int_in_range(0..=500_000)?)),
        2 => now.minus(Duration::from_micros(input.int_in_range(0..=500_000)?)),
        _ => MonotonicInstant::from_nanos(u64::arbitrary(input)?),
    })
}

fn instant_or_none(input: &mut Input<'_>, now: MonotonicInstant) -> Result<Option<MonotonicInstant>> {
    if bool::arbitrary(input)? { instant(input, now).map(Some) } else { Ok(None) }
}

fn duration(input: &mut Input<'_>) -> Result<Duration> {
    Ok(Duration::from_nanos(u64::arbitrary(input)?))
}

/// Any duration, even one that no message can carry.
fn duration_or_none(input: &mut Input<'_>) -> Result<Option<Duration>> {
    Ok(match input.int_in_range(0..=3)? {
        0 => None,
        1 => Some(Duration::MAX),
        _ => Some(duration(input)?),
    })
}

/// Half of the range, because version 1 cannot express its limits to the microsecond.
fn wall_clock(input: &mut Input<'_>) -> Result<WallClockTime> {
    Ok(WallClockTime::from_nanos(i64::arbitrary(input)? / 2))
}

/// The promise of a heartbeat, often a short one.
pub fn heartbeat(input: &mut Input<'_>) -> Result<Option<Duration>> {
    Ok(match input.int_in_range(0..=3)? {
        0 => None,
        1 => Some(passing(input)?),
        _ => Some(Duration::from_millis(input.int_in_range(0..=9000)?)),
    })
}

fn conf_begin(input: &mut Input<'_>) -> Result<ConfBegin> {
    let length = if bool::arbitrary(input)? { input.int_in_range(0..=20)? } else { u64::arbitrary(input)? };
    let progress = if bool::arbitrary(input)? { Some(passing(input)?) } else { None };
    let (rank, slaves) = (u32::arbitrary(input)?, u32::arbitrary(input)?);
    Ok(ConfBegin {
        rank,
        slaves,
        length,
        progress,
        token: token(input)?,
        variables: variables(input)?,
        separate: bool::arbitrary(input)?,
        heartbeat: heartbeat(input)?,
    })
}

/// Variables for the tasks, mostly none.
fn variables(input: &mut Input<'_>) -> Result<Variables> {
    let texts: &[&str] = if input.ratio(1, 8)? { &["A=1", "B=", "A=2"] } else { &[] };
    let variables = texts.iter().map(|text| text.parse().expect("the text is a variable"));
    Ok(Variables::new(variables).expect("the variables are short"))
}

fn usage(input: &mut Input<'_>) -> Result<Usage> {
    Ok(Usage {
        cpu_user: duration(input)?,
        cpu_system: duration(input)?,
        peak_memory: u64::arbitrary(input)?,
        voluntary_switches: u64::arbitrary(input)?,
        involuntary_switches: u64::arbitrary(input)?,
    })
}

fn guest(input: &mut Input<'_>) -> Result<Guest> {
    let clock_source =
        if bool::arbitrary(input)? { Some(input.choose(&["tsc", "kvm-clock"])?.to_string()) } else { None };
    let cores = if bool::arbitrary(input)? { Some(input.int_in_range(1..=u32::MAX)?) } else { None };
    let (steal, suspended) = (duration(input)?, duration(input)?);
    Ok(Guest { steal, clock_step: i64::arbitrary(input)?, suspended, clock_source, cores })
}

fn output_place(input: &mut Input<'_>) -> Result<OutputPlace> {
    let length = if bool::arbitrary(input)? { input.int_in_range(0..=100)? } else { u64::arbitrary(input)? };
    Ok(OutputPlace { length, path: "/tmp/synexec.out".into() })
}

fn output_mark(input: &mut Input<'_>) -> Result<OutputMark> {
    let position = if bool::arbitrary(input)? { input.int_in_range(0..=100)? } else { u64::arbitrary(input)? };
    let digest = if bool::arbitrary(input)? { Some(Digest::of(b"")) } else { None };
    Ok(OutputMark { position, is_end: bool::arbitrary(input)?, digest })
}
