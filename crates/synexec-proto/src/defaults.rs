//! Defaults and fixed times that both sides of a session share.

use std::time::Duration;

/// Time from SIGTERM, which asks a task to end, to SIGKILL, which kills the task.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// Time in which a connection that breaks while tasks run must be resumed, unless the user says otherwise.
pub const DEFAULT_RECONNECT: Duration = Duration::from_secs(10);

/// Interval at which a master sends probes, and at which a slave tries again to connect.
pub const DISCOVERY_INTERVAL: Duration = Duration::from_secs(1);

/// Silence after which a peer counts as lost, unless the user says otherwise.
pub const DEFAULT_LOST_AFTER: Duration = Duration::from_secs(30);

/// UDP and TCP port unless the user says otherwise.
pub const DEFAULT_PORT: u16 = 5165;
