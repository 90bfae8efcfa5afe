//! What a report says of a client, and what is true of every report.

use std::collections::BTreeSet;

use synexec_session::master::{Outcome, Report, Row, Verdict};

use crate::id::ClientId;

/// The row of a client in the last round, if the client took part.
#[must_use]
pub fn row_of(report: &Report, id: ClientId) -> Option<&Row> {
    report.rows().iter().find(|row| row.slave.address == id.address())
}

/// The outcome of a client that took part, in the last round.
///
/// # Panics
///
/// If the client did not take part.
#[must_use]
pub fn outcome_of(report: &Report, id: ClientId) -> &Outcome {
    &row_of(report, id).expect("the client took part").outcome
}

/// Checks that the last round has one row for each of this many slaves, in the order of their ranks.
///
/// # Panics
///
/// If it has not.
pub fn assert_rows_complete(report: &Report, slaves: usize) {
    let addresses: BTreeSet<_> = report.rows().iter().map(|row| row.slave.address).collect();
    assert_eq!((report.rows().len(), addresses.len()), (slaves, slaves), "{report:?}");
    assert!((0..).zip(report.rows()).all(|(rank, row)| row.rank == rank), "{report:?}");
}

/// Checks that the verdict follows from the rows of all rounds.
///
/// # Panics
///
/// If it does not.
pub fn assert_verdict_follows(report: &Report) {
    let rows = || report.rounds.iter().flat_map(|round| &round.rows);
    let any = |wanted: fn(&Outcome) -> bool| rows().any(|row| wanted(&row.outcome));
    let failed = any(|outcome| outcome.has_ended() && !outcome.has_succeeded());
    let declined = any(|outcome| matches!(outcome, Outcome::Declined(_)));
    let lost = any(|outcome| matches!(outcome, Outcome::Lost { .. })) || rows().any(Row::lacks_output);
    let cancelled = any(|outcome| *outcome == Outcome::Cancelled);
    let follows = match report.verdict {
        Verdict::Succeeded | Verdict::SkewExceeded => !failed && !declined && !lost && !cancelled,
        Verdict::TaskFailed => failed && !declined && !lost && !cancelled,
        Verdict::Declined => declined,
        // The timeout may expire before an original is told to start.
        Verdict::Lost => (lost || cancelled) && !declined,
        Verdict::NotEnoughSlaves => !failed && !declined && !lost,
        Verdict::MasterFailed => !failed || rows().any(Row::has_lost_output),
        Verdict::Interrupted(_) => true,
    };
    assert!(follows, "{report:?}");
}
