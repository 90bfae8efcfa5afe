//! The simulated world: who lives in it, what connects them, and how its time goes on.
//!
//! One master, slaves of ours with their hosts, original peers and strangers, on links with delay, in virtual time. Messages
//! cross it as bytes. No socket is opened, no clock is read, and nothing is random but what the test draws.

#![expect(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::must_use_candidate,
    reason = "it is for tests: a broken rule is a panic"
)]

mod agenda;
mod bench;
mod client;
mod host;
mod liar;
mod link;
mod master;
mod master_rules;
mod network;
mod original;
mod plan;
mod slave;
mod slave_rules;
mod stranger;
mod time;
mod truth;
mod world;

pub use bench::Bench;
pub use host::Run;
pub use liar::Lie;
pub use link::Ways;
pub use master::Master;
pub use original::{Answer, Script};
pub use plan::{Plan, Refusal, SimClock, runs};
pub use stranger::Manner;
pub use time::{START, millis, secs};
pub use truth::{all_starts, apart, starts_are_true};
pub use world::inspect::{outcome_of, row_of, rows_are_complete, session, verdict_follows};
pub use world::orders::Order;
pub use world::{Id, World, settings};
