//! The state of one slave while outputs are fetched.

use std::time::Duration;

use super::super::awake::{AwakeInstant, Now};
use super::super::clock_check;
use super::super::limits::Unanswered;
use super::super::member::Member;
use super::super::output::{Fetched, OutputStream, Request};
use super::super::roster::{Awaited, Slave};
use super::super::{Notice, Output, OutputsWanted};
use synexec_proto::message::Feature;
use synexec_proto::time::MonotonicInstant;
use synexec_proto::wire::SLOWEST_BYTES_PER_SECOND;

/// How much of an output is asked for at a time, in bytes.
pub(super) const WINDOW: u32 = 512 * 1024;

#[derive(Debug)]
pub(super) enum FetchStep {
    /// The slave's task has no output for which the session waits.
    NotWanted,
    /// The output is to be asked for from this byte.
    Due(u64),
    /// The slave was asked for this window of its output.
    Asked(u64, Unanswered),
    /// The bytes that have come are being stored.
    Storing,
    /// The slave's row tells what the master has of the output.
    Done,
}

/// What the phase counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FetchStage {
    pub(super) step: Stage,
    pub(super) is_away: bool,
    /// Whether the master waits for the slave's clock.
    pub(super) awaits_clock: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    NotWanted,
    Due,
    Underway,
    Done,
}

impl FetchStage {
    pub(super) fn is_settled(self) -> bool {
        matches!(self.step, Stage::NotWanted | Stage::Done)
    }
}

impl FetchStep {
    /// Whether nothing more comes of the output.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::NotWanted | Self::Done)
    }
}

impl Awaited for FetchStep {
    type Stage = FetchStage;

    fn stage(slave: &Slave<Self>) -> FetchStage {
        let step = match slave.state {
            Self::NotWanted => Stage::NotWanted,
            Self::Due(_) => Stage::Due,
            Self::Asked(..) | Self::Storing => Stage::Underway,
            Self::Done => Stage::Done,
        };
        let awaits_clock = clock_check::awaited_until(slave).is_some();
        FetchStage { step, is_away: slave.member.is_away(), awaits_clock }
    }

    fn is_settled(&self) -> bool {
        self.is_over()
    }

    fn unanswered(&self) -> Option<Unanswered> {
        if let Self::Asked(_, asked) = self { Some(*asked) } else { None }
    }

    fn look_at(slave: &Slave<Self>) -> Option<AwakeInstant> {
        clock_check::awaited_until(slave)
    }

    fn turn_at(slave: &Slave<Self>) -> Option<MonotonicInstant> {
        let is_due = matches!(slave.state, Self::Due(_)) && !slave.member.is_away();
        is_due.then_some(MonotonicInstant::from_nanos(0))
    }
}

impl Slave<FetchStep> {
    /// Notes in the slave's row what the master has of the output.
    pub(super) fn finish(&mut self, output: Output) {
        self.state = FetchStep::Done;
        note_output(&mut self.member, output);
    }
}

/// The first step of a slave, which may still follow from the output that was fetched while the tasks ran.
pub(super) fn first_step(member: &mut Member, wanted: OutputsWanted, asked: Unanswered) -> FetchStep {
    let Some(row) = member.this_round.row.as_ref().filter(|row| row.outcome.has_ended()) else {
        return FetchStep::NotWanted;
    };
    let length = row.output_place.as_ref().map_or(0, |place| place.length);
    let stream = member.this_round.output.as_ref();
    let window = stream.and_then(OutputStream::awaited_window).unwrap_or_default();
    let fetched = stream.map(|output| (output.fetched(), output.end()));
    let output = if wanted == OutputsWanted::Nothing {
        return FetchStep::NotWanted;
    } else if !member.has(Feature::Outputs) {
        Output::Unavailable
    } else if stream.is_some_and(OutputStream::is_being_stored) {
        return FetchStep::Storing;
    } else {
        match (fetched, &member.lost) {
            (Some((Fetched::Complete(Some(digest)), length)), _) => Output::Whole { length, digest },
            (Some((Fetched::Failed(why), _)), _) => missing(wanted, why),
            (_, Some(loss)) => missing(wanted, loss.to_string()),
            (Some((Fetched::Underway | Fetched::Complete(None), _)), None) => return FetchStep::Asked(window, asked),
            (None, None) => return FetchStep::Due(first_byte(length, wanted)),
        }
    };
    note_output(member, output);
    FetchStep::Done
}

/// The limit for a window that is asked for now. The window has to come at the slowest rate that counts as coming, also if
/// the connection breaks meanwhile.
pub(super) fn window_limit(now: Now, lost_after: Duration, reconnect: Duration) -> Unanswered {
    let time = Duration::from_secs(u64::from(WINDOW / SLOWEST_BYTES_PER_SECOND));
    Unanswered::new(now.awake, lost_after.saturating_add(time).saturating_add(reconnect))
}

/// An output that was wanted and cannot be fetched. A missing end for the HTML page is no failure.
pub(super) fn missing(wanted: OutputsWanted, why: String) -> Output {
    if let OutputsWanted::Tails(_) = wanted { Output::NoTail { why } } else { Output::Failed { why } }
}

/// How the wanted part of an output is asked for.
pub(super) fn request(wanted: OutputsWanted, offset: u64) -> Request {
    match wanted {
        OutputsWanted::Tails(tail) => Request { offset, window: tail, follow: false, once: true },
        _ => Request { offset, window: WINDOW, follow: false, once: false },
    }
}

pub(super) fn lost_notice(member: &Member, why: String) -> Notice {
    let place = member.this_round.row.as_ref().and_then(|row| row.output_place.as_ref());
    Notice::OutputLost { slave: member.label.clone(), why, kept_at: place.map(|place| place.path.clone()) }
}

fn note_output(member: &mut Member, output: Output) {
    if let Some(row) = &mut member.this_round.row {
        row.output = Some(output);
    }
}

/// The first wanted byte of an output of this length.
fn first_byte(length: u64, wanted: OutputsWanted) -> u64 {
    if let OutputsWanted::Tails(tail) = wanted { length.saturating_sub(tail.into()) } else { 0 }
}
