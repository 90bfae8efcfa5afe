//! Properties of all sessions, and of state machines that receive nonsense.

mod any_forgotten;
mod any_master_events;
mod any_slave_events;
mod any_starts;
mod any_world;
mod draw;
mod draw_world;

use proptest::test_runner::Config;

/// A configuration with this many cases that stores no failing cases in a file.
pub fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
