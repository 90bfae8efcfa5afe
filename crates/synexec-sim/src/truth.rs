//! What a report says of starts, against what the world knows of them.

use std::time::Duration;

use synexec_proto::time::MonotonicInstant;
use synexec_session::master::{Report, Row, Skew};
use synexec_session::slave::Action;

use super::network::address;
use super::slave::SimSlave;
use super::world::{Id, World};

/// Every start that the report tells of is true within what it says of itself, and so is each round's skew. Only for
/// worlds whose slaves are all ours and have run the task once a round.
pub fn starts_are_true(world: &World, report: &Report) {
    for (number, round) in report.rounds.iter().enumerate() {
        for row in &round.rows {
            start_is_true(world.sim(id_of(world, row)), number, row);
        }
        skew_is_true(&all_starts(world, number), &round.skew.expect("all starts are known"));
    }
    for row in report.rows() {
        was_ordered_in_time(world, row);
    }
}

/// When the tasks of all slaves of ours started, in a round from 0.
pub fn all_starts(world: &World, round: usize) -> Vec<MonotonicInstant> {
    let ran = |id: &Id| world.sim(*id).host.runs.get(round).map(|run| run.started);
    world.living_slaves().iter().filter_map(ran).collect()
}

/// Time between two instants, whichever is first.
pub fn apart(one: MonotonicInstant, other: MonotonicInstant) -> Duration {
    one.since(other).max(other.since(one))
}

fn start_is_true(slave: &SimSlave, round: usize, row: &Row) {
    let (told, run) = (row.start.expect("it is measured"), slave.host.runs[round]);
    let error = apart(told.at, run.started);
    assert!(error <= told.uncertainty, "{error:?} off: {row:?}");
    let late = run.started.since(slave.host.plan.clock.when(released_for(slave)[round]));
    assert_eq!(told.lateness, late, "{row:?}");
    assert_eq!(row.clock_slip, None, "its clock goes evenly");
}

fn skew_is_true(starts: &[MonotonicInstant], told: &Skew) {
    let (first, last) = (starts.iter().min().expect("some"), starts.iter().max().expect("some"));
    let skew = last.since(*first);
    let error = skew.max(told.skew).saturating_sub(skew.min(told.skew));
    assert!(error <= told.uncertainty, "{skew:?}, not {told:?}");
    assert_eq!(told.known, starts.len());
}

/// What a slave was told to wait for in the last round is the instant that the master meant.
fn was_ordered_in_time(world: &World, row: &Row) {
    let slave = world.sim(id_of(world, row));
    let at = slave.host.plan.clock.when(*released_for(slave).last().expect("it was released"));
    let error = apart(at, world.instant());
    assert!(error <= row.clock.expect("it is measured").uncertainty, "{error:?} off: {row:?}");
}

/// The instants of its clock that a slave's task was released for.
fn released_for(slave: &SimSlave) -> Vec<MonotonicInstant> {
    let at = |action: &Action| if let Action::Release { at } = action { *at } else { None };
    slave.log.iter().filter_map(|(_, action)| at(action)).collect()
}

fn id_of(world: &World, row: &Row) -> Id {
    world.ids().find(|id| address(*id) == row.slave.address).expect("it is somebody")
}
