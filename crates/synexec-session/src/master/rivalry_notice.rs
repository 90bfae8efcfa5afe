//! What a session tells its user of other masters of the same session.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Something that happened between this master and another master of the same session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rivalry {
    /// Another master looks for slaves too.
    Met {
        /// The address from which it sends probes.
        theirs: Ipv4Addr,
        /// The address from which this master sends probes on the same network.
        ours: Ipv4Addr,
        /// Whether the other master goes first, because it has the lower address.
        goes_first: bool,
    },
    /// This master releases its slaves and sends no probes while the other master looks for slaves.
    Yields {
        /// The address of the other master.
        to: Ipv4Addr,
        /// Whether the other master had to yield and has not.
        out_of_turn: bool,
        /// Number of slaves that are released.
        released: usize,
    },
    /// This master still hears the other master, and tries to get its slaves all the same.
    Tries {
        /// The address of the other master.
        to: Ipv4Addr,
        /// Time for which this master has yielded.
        waited: Duration,
        /// Time of the attempt. Then this master yields again.
        attempt: Duration,
    },
    /// This master looks for slaves again, because it hears no other master.
    GoesOn {
        /// Time for which this master has yielded.
        after: Duration,
    },
    /// A connection was closed because this master yields.
    TurnedAway {
        /// The address from which it came.
        address: SocketAddr,
    },
}
