//! Makes the document from the results of the session.

mod figures;

use std::time::Duration;

use jiff::Timestamp;
use synexec_host::clock::{monotonic_now, wall_clock_now};
use synexec_proto::message::TaskStream;
use synexec_proto::time::{MonotonicInstant, WallClockTime, nanos};
use synexec_proto::variables::{Variable, Variables};
use synexec_session::master::{Output, OutputId, Report, Round, Row};

use self::figures::{clock, guest, outcome, skew, start, usage};
use super::document::{
    Asked, ConfReport, Document, OutputReport, OutputState, RoundReport, SCHEMA, SlaveReport, VERSION,
};
use super::remarks::{remarks, usual_time, why_cut};
use super::sentence;
use crate::outputs::Kept;
use crate::verdict;

/// Facts about a session that its results do not have.
#[derive(Debug)]
pub struct Context<'a> {
    /// Session id.
    pub session: u32,
    /// Name of the master's host.
    pub master: String,
    /// The conf that was run.
    pub conf: ConfReport,
    /// What the user asked for.
    pub asked: Asked,
    /// When the session began.
    pub began: WallClockTime,
    /// The stored outputs, and the ends of outputs.
    pub kept: &'a Kept,
}

impl ConfReport {
    /// Describes a conf.
    pub fn new(path: String, bytes: u64, command_line: String, payload_bytes: u64) -> Self {
        Self { path, bytes, command_line, payload_bytes }
    }
}

impl Asked {
    /// A session without limits.
    pub fn new(slaves: u32, rounds: u32) -> Self {
        Self {
            slaves,
            rounds,
            max_skew_ns: None,
            quorum: None,
            timeout_ns: None,
            environment: Vec::new(),
            max_output_bytes: None,
            separate: false,
        }
    }

    /// The same session with limits: largest skew, fewest slaves, longest task.
    pub fn within(self, max_skew: Option<Duration>, quorum: Option<u32>, timeout: Option<Duration>) -> Self {
        Self { max_skew_ns: max_skew.map(nanos), quorum, timeout_ns: timeout.map(nanos), ..self }
    }

    /// The same session with these variables in the environment of every task.
    pub fn with_variables(self, variables: &Variables) -> Self {
        Self { environment: variables.iter().map(Variable::to_text).collect(), ..self }
    }
}

/// Makes the document; called at the end of the session.
pub fn build(report: &Report, context: Context<'_>) -> Document {
    let clock = MasterClock::now();
    let last_started = (1..).zip(&report.rounds).filter(|(_, round)| round.ordered.is_some()).map(|(number, _)| number);
    let last_started = last_started.last().unwrap_or(0);
    let of_round = |(number, round): (u32, &Round)| {
        Builder { clock, number, is_replaced: number < last_started, context: &context }.round(round)
    };
    let rounds = (1..).zip(&report.rounds).map(of_round).collect();
    Document {
        schema: SCHEMA,
        version: VERSION,
        program: concat!("synexec_master ", env!("CARGO_PKG_VERSION")).to_owned(),
        session: context.session,
        began: rfc3339(context.began),
        ended: rfc3339(clock.wall_clock),
        verdict: verdict::word(report.verdict),
        exit_status: verdict::exit_status(report.verdict).code(),
        sentence: sentence::of_session(&report.rounds, report.verdict, &context.asked),
        rounds,
        master: context.master,
        conf: context.conf,
        asked: context.asked,
    }
}

/// One instant on both clocks of this host, which converts other instants into dates.
#[derive(Debug, Clone, Copy)]
struct MasterClock {
    wall_clock: WallClockTime,
    monotonic: MonotonicInstant,
}

impl MasterClock {
    fn now() -> Self {
        Self { wall_clock: wall_clock_now(), monotonic: monotonic_now() }
    }

    fn date(self, instant: MonotonicInstant) -> String {
        rfc3339(self.wall_clock.minus(self.monotonic.since(instant)))
    }
}

#[derive(Debug, Clone, Copy)]
struct Builder<'a> {
    clock: MasterClock,
    number: u32,
    /// Whether the tasks of a later round have replaced the outputs on the slaves.
    is_replaced: bool,
    context: &'a Context<'a>,
}

impl Builder<'_> {
    fn round(self, round: &Round) -> RoundReport {
        let zero = round.skew.map(|skew| skew.first).or(round.ordered);
        let usual = usual_time(&round.rows);
        RoundReport {
            round: self.number,
            sentence: sentence::of_round(round),
            succeeded: round.rows.iter().filter(|row| row.outcome.has_succeeded()).count(),
            zero: zero.map(|zero| self.clock.date(zero)),
            ordered_ns: zero.zip(round.ordered).map(|(zero, ordered)| ordered.nanos_after(zero)),
            skew: round.skew.as_ref().map(skew),
            slaves: round.rows.iter().map(|row| self.slave(row, zero, remarks(row, usual, self.is_replaced))).collect(),
        }
    }

    fn slave(self, row: &Row, zero: Option<MonotonicInstant>, remarks: Vec<String>) -> SlaveReport {
        let after_zero = |instant: MonotonicInstant| zero.map(|zero| instant.nanos_after(zero));
        SlaveReport {
            rank: row.rank,
            name: row.slave.name.clone(),
            label: row.slave.shown.clone(),
            address: row.slave.address.to_string(),
            original: row.is_original,
            outcome: outcome(row),
            held: row.held.map(|held| held.to_string()),
            held_ns: row.held_at.and_then(after_zero),
            start: row.start.zip(zero).map(|(measured, zero)| start(&measured, zero)),
            end_ns: row.start.and_then(|start| after_zero(start.ended_at)),
            started: row.times.map(|times| rfc3339(times.started)),
            finished: row.times.map(|times| rfc3339(times.finished)),
            elapsed_ns: row.times.map(|times| nanos(times.elapsed)),
            clock: row.clock.map(clock),
            clock_slip_ns: row.clock_slip.map(|slip| slip.by),
            usage: row.usage.map(usage),
            guest: row.guest.as_ref().map(guest),
            answered_late_ns: row.answered_late.map(nanos),
            reconnects: row.reconnects,
            stands_out: !row.outcome.has_succeeded() || !remarks.is_empty(),
            remarks,
            output_path: self.path(row, TaskStream::Output),
            errors_path: self.path(row, TaskStream::Errors),
            last_lines: row.last_lines.clone(),
            last_lines_of: row.last_lines.as_ref().map(|_| row.stream_of_last_lines().into()),
            output_lost: row.output_lost.clone(),
            output: self.output(row, TaskStream::Output),
            errors: self.output(row, TaskStream::Errors),
        }
    }

    fn output(self, row: &Row, stream: TaskStream) -> Option<OutputReport> {
        let id = OutputId { round: self.number, rank: row.rank, stream };
        let length = row.place(stream).map(|place| place.length);
        let file = || self.context.kept.lasting_file(id).map(|file| file.display().to_string());
        let nothing = OutputReport {
            state: OutputState::Unavailable,
            bytes: None,
            blake3: None,
            file: None,
            why: None,
            kept_at: self.path(row, stream),
            tail: None,
        };
        // What was fetched of a cut or failed output does not have its end.
        let tail = || self.context.kept.tail(id);
        Some(match row.output_of(stream)? {
            Output::Whole { length, digest } => {
                let file = file();
                let state = if file.is_some() { OutputState::Stored } else { OutputState::Fetched };
                OutputReport {
                    state,
                    bytes: Some(*length),
                    blake3: Some(digest.to_string()),
                    file,
                    tail: tail(),
                    ..nothing
                }
            }
            Output::Cut { most } => OutputReport {
                state: OutputState::Cut,
                bytes: length,
                file: file(),
                why: Some(why_cut(*most)),
                ..nothing
            },
            Output::Tail { length } => {
                OutputReport { state: OutputState::Tail, bytes: Some(*length), tail: tail(), ..nothing }
            }
            Output::Failed { why } | Output::NoTail { why } => {
                OutputReport { state: OutputState::Failed, bytes: length, why: Some(why.clone()), ..nothing }
            }
            Output::Unavailable => nothing,
        })
    }

    /// Where the slave keeps a stream.
    fn path(self, row: &Row, stream: TaskStream) -> Option<String> {
        let place = row.place(stream).filter(|_| !self.is_replaced)?;
        Some(place.path.clone()).filter(|path| !path.is_empty())
    }
}

/// The date of a time in UTC, to the nanosecond (RFC 3339, section 5.6). Every number of nanoseconds in 64 bits has
/// one.
fn rfc3339(time: WallClockTime) -> String {
    let date = Timestamp::from_nanosecond(time.as_nanos().into()).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{date:.9}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_rfc_3339_to_the_nanosecond() {
        assert_eq!(rfc3339(WallClockTime::from_nanos(1_700_000_000_250_000_001)), "2023-11-14T22:13:20.250000001Z");
        assert_eq!(rfc3339(WallClockTime::from_nanos(0)), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(rfc3339(WallClockTime::from_nanos(i64::MAX)), "2262-04-11T23:47:16.854775807Z");
    }
}
