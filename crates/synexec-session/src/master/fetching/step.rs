//! The state of one slave while outputs are fetched.

use std::time::Duration;

use super::super::actions::Actions;
use super::super::awake::{AwakeInstant, Now};
use super::super::clock_check;
use super::super::limits::Unanswered;
use super::super::member::Member;
use super::super::roster::{Awaited, Slave};
use super::super::task_outputs::TaskOutputs;
use super::super::{Output, OutputsWanted};
use super::limit::WINDOW;
use super::pace::Pace;
use super::results::{note_missing, note_output, note_results};
use synexec_proto::message::{Feature, TaskStream};
use synexec_proto::time::{MonotonicInstant, nanos};

/// How much is asked for at a time of a slave that has not yet shown that it is fast.
const FIRST_WINDOW: u32 = 64 * 1024;

/// Longest time that a window of a fast slave takes.
const FAST: Duration = Duration::from_millis(500);

/// The fetching of one slave's output.
#[derive(Debug)]
pub(super) struct FetchState {
    pub(super) step: FetchStep,
    pub(super) pace: Pace,
    /// Where the part of the output ends that has come, in bytes.
    come: u64,
    /// The bytes that have come in this phase.
    pub(super) all: u64,
    /// How much is asked for next, in bytes.
    pub(super) window: u32,
    /// When the last window was asked for.
    asked_at: Option<AwakeInstant>,
}

/// How far the fetching of an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchStep {
    /// The slave's task has no output for which the session waits.
    NotWanted,
    /// The output waits for its turn: its next window is to be asked for.
    Due,
    /// The slave was asked for a window of its output.
    Asked,
    /// The slave was asked for a window of its output, and takes so long that another slave has its turn meanwhile.
    Slow,
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
    /// The output is one of those that are fetched at the same time.
    Underway,
    Slow,
    Done,
}

impl FetchStage {
    pub(super) fn is_settled(self) -> bool {
        matches!(self.step, Stage::NotWanted | Stage::Done)
    }
}

impl FetchStep {
    /// Whether nothing more comes of the output.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::NotWanted | Self::Done)
    }

    /// Whether the slave is awaited with a window.
    pub(super) fn is_asked(self) -> bool {
        matches!(self, Self::Asked | Self::Slow)
    }
}

impl FetchState {
    pub(super) fn new(step: FetchStep, member: &Member, mut pace: Pace, now: Now) -> Self {
        let come = member.this_round.outputs.as_ref().map_or(0, TaskOutputs::end);
        let mut asked_at = None;
        if step.is_asked() {
            pace.begin(now.awake);
            asked_at = Some(now.awake);
        }
        Self { step, pace, come, all: 0, window: FIRST_WINDOW, asked_at }
    }

    /// The slave is asked for its next window.
    pub(super) fn ask(&mut self, now: Now) {
        self.step = FetchStep::Asked;
        self.pace.begin(now.awake);
        self.asked_at = Some(now.awake);
    }

    /// The wanted part begins at this position.
    pub(super) fn begin(&mut self, position: u64) {
        self.come = position;
    }

    /// Takes note of how far the output has come, and gives the bytes that are new. A slave that catches up takes its place
    /// again.
    pub(super) fn came(&mut self, now: Now, position: u64) -> u64 {
        let bytes = position.saturating_sub(self.come);
        if bytes == 0 {
            return 0;
        }
        (self.come, self.all) = (position, self.all.saturating_add(bytes));
        self.pace.came(now.awake, bytes);
        if self.step == FetchStep::Slow && self.pace.makes_room_at().is_some_and(|at| now.awake < at) {
            self.step = FetchStep::Asked;
        }
        bytes
    }

    /// The window has come. How long it took decides the length of the next one.
    pub(super) fn window_came(&mut self, now: Now) {
        if let Some(asked_at) = self.asked_at.take() {
            self.window = if now.awake.since(asked_at) <= FAST { WINDOW } else { FIRST_WINDOW };
        }
        self.pace.pause(now.awake);
    }

    /// Makes room for another slave if this one is too slow. Returns whether its output is to be given up.
    pub(super) fn check(&mut self, now: Now) -> bool {
        let has_come = |at: Option<AwakeInstant>| at.is_some_and(|at| now.awake >= at);
        if self.step == FetchStep::Asked && has_come(self.pace.makes_room_at()) {
            self.step = FetchStep::Slow;
        }
        self.step.is_asked() && has_come(self.pace.ends_at())
    }
}

impl Awaited for FetchState {
    type Stage = FetchStage;

    fn stage(slave: &Slave<Self>) -> FetchStage {
        let step = match slave.state.step {
            FetchStep::NotWanted => Stage::NotWanted,
            FetchStep::Due => Stage::Due,
            FetchStep::Asked | FetchStep::Storing => Stage::Underway,
            FetchStep::Slow => Stage::Slow,
            FetchStep::Done => Stage::Done,
        };
        let awaits_clock = clock_check::awaited_until(slave).is_some();
        FetchStage { step, is_away: slave.member.is_away(), awaits_clock }
    }

    fn is_settled(&self) -> bool {
        self.step.is_over()
    }

    fn unanswered(&self) -> Option<Unanswered> {
        None
    }

    fn look_at(slave: &Slave<Self>) -> Option<AwakeInstant> {
        let pace = match slave.state.step {
            FetchStep::Asked => slave.state.pace.makes_room_at(),
            FetchStep::Slow => slave.state.pace.ends_at(),
            _ => None,
        };
        pace.into_iter().chain(clock_check::awaited_until(slave)).min()
    }

    /// The slave for which the master has waited least comes first, so that slow slaves do not delay fast ones.
    fn turn_at(slave: &Slave<Self>) -> Option<MonotonicInstant> {
        let is_due = slave.state.step == FetchStep::Due && !slave.member.is_away();
        is_due.then(|| MonotonicInstant::from_nanos(nanos(slave.state.pace.spent())))
    }
}

impl Slave<FetchState> {
    /// Notes in the slave's row what the master has of the streams.
    pub(super) fn finish(&mut self, wanted: OutputsWanted) {
        self.state.step = FetchStep::Done;
        note_results(&mut self.member, wanted);
    }

    /// Notes in the slave's row that the master has nothing of these streams.
    pub(super) fn lack(&mut self, streams: &[TaskStream], wanted: OutputsWanted, why: &str) {
        self.state.step = FetchStep::Done;
        note_missing(&mut self.member, streams, wanted, why);
    }
}

/// The first step of a slave, which may still follow from the streams that were fetched while the tasks ran.
pub(super) fn first_step(
    member: &mut Member,
    wanted: OutputsWanted,
    streams: &[TaskStream],
    actions: &mut Actions,
) -> FetchStep {
    let has_ended = member.this_round.row.as_ref().is_some_and(|row| row.outcome.has_ended());
    if !has_ended || wanted == OutputsWanted::Nothing {
        return FetchStep::NotWanted;
    }
    if !member.has(Feature::Outputs) {
        note_output(member, TaskStream::Output, Output::Unavailable);
        return FetchStep::Done;
    }
    let lost = member.lost.as_ref().map(ToString::to_string);
    let Some(outputs) = &mut member.this_round.outputs else {
        let Some(why) = lost else { return FetchStep::Due };
        note_missing(member, streams, wanted, &why);
        return FetchStep::Done;
    };
    if let Some(why) = lost {
        outputs.lose(&why, actions);
    }
    if outputs.is_over() {
        note_results(member, wanted);
        FetchStep::Done
    } else if outputs.is_asked() {
        FetchStep::Asked
    } else if outputs.is_ready() {
        FetchStep::Due
    } else {
        FetchStep::Storing
    }
}
