//! All that is known when a session is over.

use std::time::Duration;

use super::{OtherTasks, Outcome, Row, Skew};
use crate::interrupt::Interrupt;
use synexec_proto::time::MonotonicInstant;

/// The session in one word. The program's exit status follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every task ended, and no task is known to have failed.
    Succeeded,
    /// A task failed, and nothing worse happened.
    TaskFailed,
    /// The skew is above the user's limit, or not known for all slaves; all else went well.
    SkewExceeded,
    /// Too few slaves joined in time.
    NotEnoughSlaves,
    /// A slave declined.
    Declined,
    /// A slave was lost, or a wanted output is not complete, and no slave declined.
    Lost,
    /// The master's own files failed.
    MasterFailed,
    /// The user ended the session early.
    Interrupted(Interrupt),
}

/// One round, in which every slave runs its task once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// One row for each slave, by rank.
    pub rows: Vec<Row>,
    /// How far apart the starts were; none if no start is known.
    pub skew: Option<Skew>,
    /// The ordered instant of the start on the master's clock, if a start was ordered.
    pub ordered: Option<MonotonicInstant>,
}

impl Round {
    pub(super) fn new(rows: Vec<Row>, ordered: Option<MonotonicInstant>) -> Self {
        let starts: Vec<_> = rows.iter().filter_map(|row| row.start).collect();
        Self { skew: Skew::of(&starts, rows.len()), rows, ordered }
    }
}

/// Whether another round may follow a round with this row: its slave can take part in another round, and its task has not
/// failed if the user wants no further round then.
pub(super) fn lets_round_follow(row: &Row, on_failure: OtherTasks) -> bool {
    let ends_session = on_failure == OtherTasks::Stop && row.outcome.has_failed();
    row.outcome.has_ended() && !row.has_lost_output() && !ends_session
}

/// All that is known of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The rounds in their order; at least one.
    pub rounds: Vec<Round>,
    /// The session in one word.
    pub verdict: Verdict,
}

impl Report {
    /// A report whose verdict follows from its rows, unless something else ended the session.
    pub(super) fn new(rounds: Vec<Round>, max_skew: Option<Duration>, ended_by: Option<Verdict>) -> Self {
        let verdict = ended_by.unwrap_or_else(|| judge(&rounds, max_skew));
        Self { rounds, verdict }
    }

    /// The rows of the last round. Only in the last round can slaves be lost, decline or be cancelled.
    pub fn rows(&self) -> &[Row] {
        self.rounds.last().map_or(&[], |round| &round.rows)
    }
}

fn judge(rounds: &[Round], max_skew: Option<Duration>) -> Verdict {
    let rows = || rounds.iter().flat_map(|round| &round.rows);
    let any = |wanted: fn(&Outcome) -> bool| rows().any(|row| wanted(&row.outcome));
    let above = |most| rounds.iter().any(|round| !round.skew.is_some_and(|skew| skew.is_within(most)));
    if any(|outcome| matches!(outcome, Outcome::Declined(_))) {
        Verdict::Declined
    } else if any(|outcome| matches!(outcome, Outcome::Lost { .. } | Outcome::Cancelled))
        || rows().any(Row::lacks_output)
    {
        Verdict::Lost
    } else if any(|outcome| outcome.has_ended() && !outcome.has_succeeded()) {
        Verdict::TaskFailed
    } else if max_skew.is_some_and(above) {
        Verdict::SkewExceeded
    } else {
        Verdict::Succeeded
    }
}
