//! The slave's side of a session, as a state machine.
//!
//! [`Slave`] takes an [`Event`] and the instant at which it is handled, and queues [`Action`]s for its caller to carry
//! out. Three things change independently and are kept apart: the connection, the conf, and the task. A session is
//! over when its connection is gone and its task has ended; then the slave is back in discovery.

mod event;
mod machine;
mod notice;
mod task;

pub use event::{Action, Event, ExitCause, Settings, StopSignal};
pub use machine::{LEAD_MAX, Slave};
pub use notice::Notice;
