//! The state of one slave while the tasks run.

use super::super::awake::AwakeInstant;
use super::super::clock_check;
use super::super::limits::Unanswered;
use super::super::member::Member;
use super::super::roster::{Awaited, Slave};
use super::super::stopping::Timeout;
use super::super::{MeasuredStart, Outcome, Row, RunTimes, SlaveLabel, StopCause};
use crate::clock::ClockEstimate;
use synexec_proto::message::TaskEnded;
use synexec_proto::time::MonotonicInstant;

#[derive(Debug)]
pub(super) enum Run {
    /// The slave cannot take an order for an instant, and is told at this instant to start.
    Due(MonotonicInstant),
    Ordered(Unanswered),
    Running,
    /// The slave was told to stop its task.
    Stopping {
        /// When a slave that has not reported the end of its task is lost.
        by: AwakeInstant,
        /// Whether a slave that is away is not lost then, but when its time to connect anew is over.
        spares_absent: bool,
    },
    /// The slave's outcome is known, and in its row.
    Done,
}

/// What the phase counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stage {
    /// Whether the slave's outcome is known.
    pub(super) is_settled: bool,
    pub(super) is_away: bool,
    /// Whether the master waits for the slave's clock after the end of the task.
    pub(super) awaits_clock: bool,
}

impl Awaited for Run {
    type Stage = Stage;

    fn stage(slave: &Slave<Self>) -> Stage {
        Stage {
            is_settled: slave.member.this_round.row.is_some(),
            is_away: slave.member.is_away(),
            awaits_clock: clock_check::awaited_until(slave).is_some(),
        }
    }

    fn is_settled(&self) -> bool {
        matches!(self, Self::Done)
    }

    fn unanswered(&self) -> Option<Unanswered> {
        if let Self::Ordered(ordered) = self { Some(*ordered) } else { None }
    }

    fn look_at(slave: &Slave<Self>) -> Option<AwakeInstant> {
        slave.stops_by().into_iter().chain(clock_check::awaited_until(slave)).min()
    }

    fn turn_at(slave: &Slave<Self>) -> Option<MonotonicInstant> {
        if let Self::Due(at) = slave.state { Some(at) } else { None }
    }
}

impl Slave<Run> {
    /// When a slave that was told to stop its task, and has not reported the end, is lost.
    pub(super) fn stops_by(&self) -> Option<AwakeInstant> {
        let Run::Stopping { by, spares_absent } = self.state else { return None };
        (!(spares_absent && self.member.is_away())).then_some(by)
    }

    /// Takes note of the slave's final row, unless it has one. Returns the slave's label if this is news.
    pub(super) fn settle(&mut self, row: Row) -> Option<SlaveLabel> {
        if matches!(self.state, Run::Done) {
            return None;
        }
        self.state = Run::Done;
        self.member.this_round.row = Some(row);
        Some(self.member.label.clone())
    }
}

/// The row of a slave whose task has ended, with the start on the master's clock.
pub(super) fn ended_row(
    member: &Member,
    ended: TaskEnded,
    instant: MonotonicInstant,
    timeout: Option<Timeout>,
    stopping_for: Option<&StopCause>,
) -> Row {
    let row = member.row(Outcome::Ended(ended.end), instant);
    let start = row.clock.and_then(|clock| measured_start(member, &ended, clock));
    let ended_at = row.clock.map(|clock| clock.offset.to_ours(ended.finished_at));
    let outcome = match timeout.filter(|timeout| timeout.has_stopped(ended.was_stopped, ended_at)) {
        Some(timeout) => Outcome::TimedOut(timeout.time),
        None => row.outcome,
    };
    let stopped_after = stopping_for.filter(|_| ended.was_stopped).cloned();
    let times = Some(RunTimes::from(&ended));
    Row {
        times,
        start,
        usage: ended.usage,
        guest: ended.guest,
        output_place: ended.output,
        errors_place: ended.errors,
        stopped_after,
        last_lines: ended.last_lines,
        output_lost: ended.output_lost,
        outcome,
        ..row
    }
}

/// The start on the master's clock, if the task ran its first instruction. The estimate is that for the true start: a start
/// that was late is less certain, since the clocks have run apart meanwhile.
fn measured_start(member: &Member, ended: &TaskEnded, at_instant: ClockEstimate) -> Option<MeasuredStart> {
    let start_uncertainty = ended.start_uncertainty?;
    let clock = member.clock.estimate(at_instant.offset.to_ours(ended.started_at))?;
    Some(MeasuredStart {
        at: clock.offset.to_ours(ended.started_at),
        ended_at: clock.offset.to_ours(ended.finished_at),
        uncertainty: clock.uncertainty.saturating_add(start_uncertainty),
        lateness: ended.lateness.unwrap_or_default(),
    })
}
