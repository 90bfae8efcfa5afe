//! How several scenarios run a session.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_session::master::{Report, Settings, SlaveNames};
use synexec_session::slave;
use synexec_sim::{ClientId, World, assert_rows_complete, settings};

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

/// Settings of a session of this many slaves whose user expects and excludes these. The names are separated by spaces.
pub fn expecting(slaves: u32, expected: &str, excluded: &str) -> Settings {
    let names = |names: &str| names.split_whitespace().map(str::to_owned).collect();
    Settings { names: SlaveNames::new(names(expected), names(excluded)), ..settings(slaves) }
}

/// The names of a report's slaves in the order of their ranks.
pub fn names(report: &Report) -> Vec<&str> {
    assert_rows_complete(report, report.rows().len());
    report.rows().iter().map(|row| row.slave.name.as_str()).collect()
}

/// When a slave was told that it may not join.
pub fn turned_away(world: &World, id: ClientId) -> Vec<Duration> {
    let is_told = |notice: &slave::Notice| {
        matches!(notice, slave::Notice::Disconnected { why: Disconnect::TurnedAway(_), configured: false })
    };
    world.slave_told(id, is_told)
}
