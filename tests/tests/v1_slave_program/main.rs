//! Our slave, run by a scripted master of version 1.

mod conf;
mod connection;
mod corners;
mod discovery;
mod session;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use synexec_tests::v1::{Master, OurSlave, fresh_session};

/// "Within a second", and what a busy machine may add to it.
const BACK: Duration = Duration::from_secs(4);

/// A scripted master, and our slave that listens for it.
fn pair() -> Result<(Master, OurSlave)> {
    let master = Master::listen(fresh_session())?;
    let slave = OurSlave::listening(&master)?;
    Ok((master, slave))
}

/// The slave, whose connection has just ended, is there for the next session.
fn ensure_back(master: &Master) -> Result<()> {
    let start = Instant::now();
    let peer = master.accept_slave()?;
    let taken = start.elapsed();
    ensure!(taken <= BACK, "back in discovery only after {taken:?}");
    peer.close();
    Ok(())
}
