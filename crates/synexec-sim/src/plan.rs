//! How a slave of ours is set up, and what its host and task will do.

use std::time::Duration;

use synexec_proto::message::CONF_MAX;
use synexec_proto::outcome::TaskEnd;
use synexec_proto::time::MonotonicInstant;

use super::time::START;

/// The default is a slave that listens, accepts, and whose task succeeds after a second.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Plan {
    pub refusal: Option<Refusal>,
    /// Time to prepare the conf's command.
    pub prepares: Duration,
    /// Time from its release to its start.
    pub spawns: Duration,
    /// Time that it runs when nobody stops it.
    pub runs: Duration,
    /// How it ends then.
    pub end: TaskEnd,
    pub ignores_sigterm: bool,
    /// How it ends when SIGTERM stops it; killed by that unless it sees to it itself.
    pub end_by_sigterm: Option<TaskEnd>,
    /// How long others of its family, which ignore SIGTERM, outlive the first process.
    pub straggles: Duration,
    /// How many bytes it writes, evenly while it runs.
    pub writes: u32,
    /// Whether a signal stops it for as long as it runs.
    pub is_stopped: bool,
    pub dials: bool,
    pub once: bool,
    /// Time to take a connection up again.
    pub reconnect: Duration,
    /// The largest conf that it takes.
    pub max_conf: u64,
    pub keeps_orphans: bool,
    pub clock: SimClock,
}

/// A slave whose task runs for so long.
pub fn runs(time: Duration) -> Plan {
    Plan { runs: time, ..Plan::default() }
}

/// A host's monotonic clock, against the world's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimClock {
    /// Nanoseconds that it is ahead when the world begins.
    pub ahead: i64,
    /// Nanoseconds that it gains in a second.
    pub drift: i64,
}

impl SimClock {
    /// What it shows.
    pub fn show(self, now: MonotonicInstant) -> MonotonicInstant {
        let drifted = now.since(START).as_nanos().cast_signed() * i128::from(self.drift) / 1_000_000_000;
        let shown = i128::from(now.as_nanos()) + i128::from(self.ahead) + drifted;
        MonotonicInstant::from_nanos(u64::try_from(shown).expect("no clock is set to before its boot"))
    }

    /// When it shows this, or a later instant.
    pub fn when(self, shown: MonotonicInstant) -> MonotonicInstant {
        let passed = i128::from(shown.as_nanos()) - i128::from(START.as_nanos()) - i128::from(self.ahead);
        let undrifted = passed * 1_000_000_000 / (1_000_000_000 + i128::from(self.drift));
        let guess = i128::from(START.as_nanos()) + undrifted.max(0);
        let mut when = MonotonicInstant::from_nanos(u64::try_from(guess).unwrap_or(u64::MAX));
        while self.show(when) < shown && when < MonotonicInstant::LAST {
            when = when.plus(Duration::from_nanos(1));
        }
        when
    }
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
            end_by_sigterm: None,
            straggles: Duration::ZERO,
            writes: 0,
            is_stopped: false,
            dials: false,
            once: false,
            reconnect: Duration::ZERO,
            max_conf: CONF_MAX,
            keeps_orphans: false,
            clock: SimClock::default(),
        }
    }
}
