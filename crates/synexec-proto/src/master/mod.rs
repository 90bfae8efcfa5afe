//! The master's side of a session, as a state machine.
//!
//! [`Session`] takes an [`Event`] and the instant at which it is handled, and queues [`Action`]s for its caller to
//! carry out. Phases follow one another by consuming the one before, so that no order can be given too early:
//! joining ([`Session::new`]) until the slaveset is complete, configuring until every slave has accepted, executing
//! until every task has ended; then a [`Report`] is all that is left.

mod actions;
mod awake;
mod configuring;
mod event;
mod executing;
mod joining;
mod member;
mod notice;
mod report;
mod session;

pub use event::{Action, Event, Interrupt, PeerId, Settings};
pub use notice::{Notice, SlaveLabel};
pub use report::{Loss, Outcome, PhaseName, Report, Row, RunTimes, Verdict};
pub use session::Session;
