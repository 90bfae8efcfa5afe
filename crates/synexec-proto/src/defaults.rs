//! Times and numbers on which both sides of a session agree, beyond its messages.

use std::time::Duration;

/// Time that a task has to end after it was told to (SIGTERM), before it is killed (SIGKILL).
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// Time for a connection that has broken while tasks run to be taken up again, unless the user says otherwise.
pub const DEFAULT_RECONNECT: Duration = Duration::from_secs(10);

/// How often a master invites slaves, and how often a slave tries again.
pub const DISCOVERY_INTERVAL: Duration = Duration::from_secs(1);

/// Silence after which a peer counts as lost, unless the user says otherwise.
pub const DEFAULT_LOST_AFTER: Duration = Duration::from_secs(30);

/// UDP and TCP port unless the user says otherwise.
pub const DEFAULT_PORT: u16 = 5165;
