//! What a scenario does to the world from outside.

use std::time::Duration;

use synexec_session::interrupt::Interrupt;
use synexec_session::master::{Notice, OutputId};

use crate::id::ClientId;
use crate::link::Ways;
use crate::plan::Refusal;

/// Something that a scenario does to the world from outside.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// Kill the task that the client holds.
    KillHeldTask(ClientId),
    /// Kill the client's process.
    Kill(ClientId),
    /// Stop the client's process for this time, as by SIGSTOP and SIGCONT.
    Freeze(ClientId, Duration),
    /// Break the client's connection. Both ends learn of the break.
    Break(ClientId),
    /// Break the client's connection. Only the client learns of the break.
    BreakAtClient(ClientId),
    /// Let the network forget the client's connections: nothing crosses them any more, and neither end learns of this before
    /// its kernel gives up. New connections work.
    Forget(ClientId),
    /// Cut the client's host off the network. The client learns of this when its keepalive has run out.
    Cut(ClientId),
    /// End the cut of the client's host. New connections work; the old ones stay dead.
    Mend(ClientId),
    /// Send the client's process a signal.
    Shutdown(ClientId, Interrupt),
    /// Send the master's process a signal.
    Interrupt(Interrupt),
    /// Kill the master's process.
    KillMaster,
    /// Stop the master's process for this time.
    FreezeMaster(Duration),
    /// Make the conf unreadable for the master.
    ConfFails,
    /// Make this output impossible to store for the master.
    OutputFails(OutputId),
    /// Make the host of a slave of ours refuse this from now on.
    Refuse(ClientId, Refusal),
    /// Move the clock of the host of a slave of ours by this many nanoseconds, as when its hypervisor stops the host or
    /// corrects the clock afterwards.
    ClockJumps(ClientId, i64),
    /// Change the delays between the client and the master.
    Reroute(ClientId, Ways),
}

/// An order that waits for a notice of the master.
#[derive(Debug, Clone, Copy)]
pub struct Cue {
    /// Whether this is the notice.
    pub matches: fn(&Notice) -> bool,
    /// Time from the notice to the order.
    pub after: Duration,
    /// The order.
    pub order: Order,
}
