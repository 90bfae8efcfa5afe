//! Peers of protocol version 1, as the original C programs speak it, to run against ours.
//!
//! Nothing here uses the project's own protocol crate: a mistake there must not hide itself in the test. The scripted
//! peers say exactly the original's bytes and compare what they receive byte by byte.

mod finish;
mod hex;
mod master;
mod message;
mod ours;
mod peer;
mod replay;
mod slave;
mod vectors;

pub use finish::Finish;
pub use hex::{hex, unhex};
pub use master::{Decoy, Master};
pub use message::{Command, HEADER, VERSION, frame, header};
pub use ours::{OurMaster, OurSlave, UNTIL_GO, fresh_session, mode, row};
pub use peer::Peer;
pub use replay::{play_master, play_slave};
pub use slave::Slave;
pub use vectors::{Recording, Step, Way};

use std::time::Duration;

/// Time for which a scripted peer waits for an expected message.
pub const PATIENCE: Duration = Duration::from_secs(30);
