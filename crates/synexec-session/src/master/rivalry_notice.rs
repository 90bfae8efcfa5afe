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
        /// The lowest address of all masters that are heard and of this one.
        lowest: Ipv4Addr,
        /// Whether another master goes first, because the lowest address is not an address of this master.
        goes_first: bool,
    },
    /// This master releases its slaves and sends no probes while the other master looks for slaves.
    Yields {
        /// The address of the other master.
        to: Ipv4Addr,
        /// Whether this master goes first, and yields all the same, because it has got no further slave for a while.
        out_of_turn: bool,
        /// Number of slaves that are released.
        released: usize,
    },
    /// This master has yielded for a while. It still hears another master, and tries to get its slaves all the same.
    Tries {
        /// The lowest address of the masters that are heard now.
        to: Ipv4Addr,
        /// Time for which this master has yielded.
        waited: Duration,
        /// Time of the attempt.
        attempt: Duration,
    },
    /// This master looks for slaves again, because it hears no master to which it has to yield.
    GoesOn {
        /// Time for which this master has yielded.
        after: Duration,
        /// Whether it still hears masters that go after it.
        hears_others: bool,
    },
    /// A connection was closed because this master yields.
    TurnedAway {
        /// The address from which it came.
        address: SocketAddr,
    },
}
