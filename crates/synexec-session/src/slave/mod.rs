//! The slave's side of a session, as a state machine.
//!
//! [`Slave`] takes an [`Event`] and the instant at which it is handled, and queues [`Action`]s for its caller to carry
//! out. It is made of two parts that know nothing of each other: the link to a master, and the run of a conf with its
//! task. A session is over when its connection is gone and its task has ended; then the slave is back in discovery.

mod event;
mod link;
mod machine;
mod notice;
mod observed_run;
mod run;
mod shunned;

pub use event::{Action, Event, ExitCause, SlaveSettings, StopSignal};
pub use machine::Slave;
pub use notice::Notice;
pub use observed_run::{ObservedOutput, ObservedRun};
pub use run::LEAD_MAX;
