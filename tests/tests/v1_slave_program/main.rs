//! Our slave with a scripted master of version 1.

mod conf;
mod connection;
mod corners;
mod discovery;
mod session;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use synexec_tests::v1::{Master, OurSlave, fresh_session};

/// One second, plus the delay of a busy machine.
const BACK: Duration = Duration::from_secs(4);

/// A scripted master, and our slave that listens for it.
fn pair() -> Result<(Master, OurSlave)> {
    let master = Master::listen(fresh_session())?;
    let slave = OurSlave::listening(&master)?;
    Ok((master, slave))
}

/// Checks that the slave is ready for the next session after the end of its connection.
fn ensure_back(master: &Master) -> Result<()> {
    let start = Instant::now();
    let peer = master.accept_slave()?;
    let taken = start.elapsed();
    ensure!(taken <= BACK, "back in discovery only after {taken:?}");
    peer.close();
    Ok(())
}
