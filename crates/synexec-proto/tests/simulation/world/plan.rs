//! How a slave of ours is set up, and what its host and task will do.

use std::time::Duration;

use synexec_proto::outcome::TaskEnd;

/// The default is a slave that listens, accepts, and whose task succeeds after a second.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub refusal: Option<Refusal>,
    /// Time to prepare the conf's command.
    pub prepares: Duration,
    /// Time to start it.
    pub spawns: Duration,
    /// Time that it runs when nobody stops it.
    pub runs: Duration,
    /// How it ends then.
    pub end: TaskEnd,
    pub ignores_sigterm: bool,
    /// How long others of its process group, which ignore SIGTERM, outlive the first process.
    pub straggles: Duration,
    pub dials: bool,
    pub once: bool,
}

/// What the host does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Conf,
    Start,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            refusal: None,
            prepares: Duration::ZERO,
            spawns: Duration::from_millis(2),
            runs: Duration::from_secs(1),
            end: TaskEnd::Exited(0),
            ignores_sigterm: false,
            straggles: Duration::ZERO,
            dials: false,
            once: false,
        }
    }
}
