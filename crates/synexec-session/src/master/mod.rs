//! The master's side of a session, as a state machine.
//!
//! [`Session`] takes an [`Event`] and the instant at which it is handled, and queues [`Action`]s for its caller to
//! carry out. Phases follow one another by consuming the one before, so that no order can be given too early:
//! joining ([`Session::new`]) until the slaveset is complete, configuring until every slave has accepted and holds its
//! task, starting until all were told to go, executing until every task has ended, fetching until their outputs are
//! here, where they are wanted. Configuring to fetching make a round; after the last one a [`Report`] is all that is
//! left.

mod actions;
mod awake;
mod clock_check;
mod configuring;
mod event;
mod executing;
mod fetching;
mod joining;
mod liveness;
mod lobby;
mod member;
mod notice;
mod output;
mod peer_clock;
mod phase;
mod report;
mod roster;
mod schedule;
mod session;
mod skew;
mod starting;
mod stopping;
mod token;

pub use event::{Action, Event, OnLost, OutputId, OutputStep, OutputsWanted, PeerId, Settings};
pub use notice::{Notice, SlaveLabel};
pub use report::{Loss, MeasuredStart, Outcome, Output, PhaseName, Report, Round, Row, RunTimes, Verdict};
pub use session::Session;
pub use skew::Skew;
pub use token::TokenSeed;
