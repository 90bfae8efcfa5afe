//! A simulated world: one master, slaves and other clients, and a network between them, in virtual time.
//!
//! # Who lives in it
//!
//! - The [`Master`] is the real session of `synexec-session`. Its network and its disk are simulated.
//! - A slave of ours, [`SimSlave`], is the real state machine of `synexec-session`. Its [`Host`] is simulated: the host has
//!   a clock of its own and runs tasks as a [`Plan`] says.
//! - An [`Original`] is a slave that speaks version 1 only and follows a [`Script`].
//! - A liar is a slave that breaks one rule of our protocol, its [`Lie`].
//! - A stranger connects to the master and is no slave. Its [`Manner`] says what it does instead.
//!
//! Everything except the master is a client, and has a [`ClientId`].
//!
//! # Events
//!
//! Nothing here opens a socket or reads a clock, and chance comes from a fixed seed: each run of a scenario is the same.
//! The [`World`] has an agenda of events, each with its instant. It takes the first event or deadline, moves the present
//! instant there, tells the master or the client, and carries out what this one does in answer: a message, for example,
//! becomes bytes that arrive at the other end after the delay of the link. The world begins at [`START`].
//!
//! # Rules
//!
//! Every event and action of the master and of the slaves of ours is also held against rules that no session may break,
//! such as "no EXEC before all slaves have accepted the conf". A broken rule is a panic, so that a scenario checks all
//! rules by running. [`World::run`] also checks the report, and [`World::run_session`] that all slaves are free afterwards.
//!
//! # How to write a scenario
//!
//! ```ignore
//! let mut world = World::new(Settings { timeout: Some(secs(5)), ..settings(2) });
//! let slow = world.slave(runs(secs(60)));                    // who takes part
//! let quick = world.slave(Plan::default());
//! world.set_delay(slow, millis(100));
//! world.at(secs(3), Order::Break(quick));                    // what happens at which time
//! world.when(|notice| matches!(notice, Notice::Stopping { .. }), millis(1), Order::Kill(slow));
//! let report = world.run_session();                          // time goes on until all is over
//! assert_eq!(outcome_of(&report, quick), &SUCCESS);          // what the master says
//! assert_eq!(world.sim(quick).host.runs.len(), 1);           // what really happened
//! ```
//!
//! A [`Bench`] is for tests of one slave alone: the test itself plays the master, the network and the user.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken rule is a panic: this crate is for tests")]

mod agenda;
mod bench;
mod client;
mod client_event;
mod crossing;
mod host;
mod id;
mod liar;
mod link;
mod master;
mod master_rules;
mod network;
mod order;
mod original;
mod plan;
mod process_state;
mod reports;
mod slave;
mod slave_rules;
mod stranger;
mod task_output;
mod time;
mod timeline;
mod truth;
mod world;

pub use bench::Bench;
pub use crossing::block_with_features;
pub use host::{Host, Run};
pub use id::ClientId;
pub use liar::Lie;
pub use link::Ways;
pub use master::{Master, MasterAction};
pub use order::Order;
pub use original::{Answer, Original, Script};
pub use plan::{Plan, Refusal, SimClock, runs};
pub use reports::{assert_rows_complete, assert_verdict_follows, outcome_of, row_of};
pub use slave::SimSlave;
pub use stranger::Manner;
pub use task_output::answer_fetch;
pub use time::{START, millis, secs};
pub use truth::{all_starts, apart, assert_starts_true};
pub use world::{World, settings};
