//! The starts in a report, compared with the starts in the world.

use std::time::Duration;

use synexec_proto::time::MonotonicInstant;
use synexec_session::master::{Report, Row, Skew};
use synexec_session::slave::Action;

use crate::id::ClientId;
use crate::slave::SimSlave;
use crate::world::World;

/// Checks that every start and every skew of the report is true within its own uncertainty.
///
/// All clients of the world have to be slaves of ours that have run the task once in each round.
///
/// # Panics
///
/// If a start or a skew is wrong.
pub fn assert_starts_true(world: &World, report: &Report) {
    for (number, round) in report.rounds.iter().enumerate() {
        for row in &round.rows {
            assert_start_true(world.sim(id_of(world, row)), number, row);
        }
        assert_skew_true(&all_starts(world, number), &round.skew.expect("the skew of the round is known"));
    }
    for row in report.rows() {
        assert_ordered_in_time(world, row);
    }
}

/// When the tasks of all slaves of ours started in a round, in the world's time. The first round is 0.
#[must_use]
pub fn all_starts(world: &World, round: usize) -> Vec<MonotonicInstant> {
    let ran = |id: &ClientId| world.sim(*id).host.runs.get(round).map(|run| run.started);
    world.living_slaves().iter().filter_map(ran).collect()
}

/// Time between two instants, in either order.
#[must_use]
pub fn apart(one: MonotonicInstant, other: MonotonicInstant) -> Duration {
    one.since(other).max(other.since(one))
}

fn assert_start_true(slave: &SimSlave, round: usize, row: &Row) {
    let (told, run) = (row.start.expect("the start was measured"), slave.host.runs[round]);
    let error = apart(told.at, run.started);
    assert!(error <= told.uncertainty, "{error:?} off: {row:?}");
    let late = run.started.since(slave.host.plan.clock.when(released_for(slave)[round]));
    assert_eq!(told.lateness, late, "{row:?}");
    assert_eq!(row.clock_slip, None, "the clock of the host does not jump");
}

fn assert_skew_true(starts: &[MonotonicInstant], told: &Skew) {
    let (first, last) =
        (starts.iter().min().expect("there are starts"), starts.iter().max().expect("there are starts"));
    let skew = last.since(*first);
    let error = skew.max(told.skew).saturating_sub(skew.min(told.skew));
    assert!(error <= told.uncertainty, "{skew:?}, not {told:?}");
    assert_eq!(told.known, starts.len());
}

/// Checks that the slave waited for the instant that the master meant, in the last round.
fn assert_ordered_in_time(world: &World, row: &Row) {
    let slave = world.sim(id_of(world, row));
    let at = slave.host.plan.clock.when(*released_for(slave).last().expect("the task was released"));
    let error = apart(at, world.instant());
    assert!(error <= row.clock.expect("the start was measured").uncertainty, "{error:?} off: {row:?}");
}

/// The instants for which a slave's task was released, as its own clock shows them.
fn released_for(slave: &SimSlave) -> Vec<MonotonicInstant> {
    let at = |action: &Action| if let Action::Release { at } = action { *at } else { None };
    slave.log.iter().filter_map(|(_, action)| at(action)).collect()
}

fn id_of(world: &World, row: &Row) -> ClientId {
    world.ids().find(|id| id.address() == row.slave.address).expect("the row belongs to a client")
}
