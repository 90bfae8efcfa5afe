//! What is true of all sessions, and of machines that are told nonsense.

mod any_master_events;
mod any_slave_events;
mod any_starts;
mod any_world;
mod draw;
mod draw_world;

use proptest::test_runner::Config;

/// So many cases, and no file for those that fail.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
