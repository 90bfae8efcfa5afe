//! The master's side of a session, as a state machine.
//!
//! [`Session`] takes an [`Event`] and the instant at which it is handled, and queues [`Action`]s for its caller to
//! carry out. Each phase consumes the one before, so that no order can be given too early: joining ([`Session::new`])
//! until the slaveset is complete, configuring until every slave has accepted and holds its task, starting until all slaves
//! have the last word, executing until every task has ended, fetching until the wanted outputs are here. Configuring to
//! fetching make a round. After the last round only a [`Report`] remains.

mod actions;
mod admission;
mod awake;
mod before_start;
mod clock_check;
mod comeback;
mod configuring;
mod event;
mod executing;
mod fetching;
mod following;
mod heard;
mod ids;
mod inquiry;
mod joined;
mod joining;
mod label;
mod limits;
mod liveness;
mod lobby;
mod member;
mod names;
mod natural_order;
mod notice;
mod outcome;
mod output;
mod peer_clock;
mod phase;
mod ranking;
mod report;
mod rivalry_notice;
mod rivals;
mod roster;
mod row;
mod schedule;
mod session;
mod settings;
mod skew;
mod starting;
mod stop_cause;
mod stopping;
mod task_outputs;
mod timetable;
mod token;

pub use admission::NotAdmitted;
pub use event::{Action, Event, OutputStep};
pub use ids::{OutputId, PeerId};
pub use label::SlaveLabel;
pub use names::SlaveNames;
pub use notice::Notice;
pub use outcome::{Loss, Outcome, PhaseName};
pub use report::{Report, Round, Verdict};
pub use rivalry_notice::Rivalry;
pub use row::{MeasuredStart, Output, Row, RunTimes};
pub use session::Session;
pub use settings::{OtherTasks, OutputsWanted, Settings};
pub use skew::Skew;
pub use stop_cause::StopCause;
pub use token::TokenSeed;
