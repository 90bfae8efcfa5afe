//! The simulated world.

mod agenda;
mod bench;
mod client;
mod host;
mod link;
mod master;
mod master_rules;
mod original;
mod plan;
mod report;
mod seat;
mod slave;
mod slave_rules;
mod stranger;
mod time;
mod wires;

use synexec_proto::master::{Event, Interrupt, PeerId, Report, Settings};
use synexec_proto::session::{DEFAULT_LOST_AFTER, Disconnect};
use synexec_proto::time::MonotonicInstant;

use agenda::Agenda;
pub use bench::Bench;
use client::{Client, Deed, Heard};
pub use host::Run;
use link::{Link, LinkId, Side};
use master::{Master, Order as MasterDeed};
pub use master_rules::MasterRules;
pub use original::{Answer, Script};
pub use plan::{Plan, Refusal};
pub use report::{check_rows, declined, ended, is_lost};
use seat::{Power, Seat};
pub use slave::SimSlave;
pub use slave_rules::SlaveRules;
pub use stranger::Manner;
pub use time::{START, millis, secs};
