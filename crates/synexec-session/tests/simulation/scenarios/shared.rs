//! How several scenarios run a session.

use std::time::Duration;

use synexec_session::master::Report;
use synexec_sim::{World, assert_rows_complete};

/// Runs a session that ends within the limit, lets the slaves come to rest, and checks that each is back in time.
pub fn session_within(limit: Duration, world: &mut World) -> Report {
    let report = world.run(limit);
    world.settle();
    world.assert_all_back_in_time();
    report
}

/// Runs a session like `session_within`, and checks that the report has a row of each of this many slaves.
pub fn session_with_rows(rows: usize, limit: Duration, world: &mut World) -> Report {
    let report = session_within(limit, world);
    assert_rows_complete(&report, rows);
    report
}
