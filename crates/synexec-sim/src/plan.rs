//! The settings of a slave of ours, and what its host and its tasks do.

use std::time::Duration;

use synexec_proto::message::CONF_MAX;
use synexec_proto::task_end::TaskEnd;
use synexec_proto::time::MonotonicInstant;
use synexec_session::slave::SlaveSettings;

use crate::time::START;

/// The settings of a slave of ours, and what its host and its tasks do.
///
/// By default the slave waits for a probe, accepts the conf, and its task succeeds after a second.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Plan {
    /// What the host refuses.
    pub refusal: Option<Refusal>,
    /// Time from the end of the conf, or from a HOLD, until the task is held.
    pub prepares: Duration,
    /// Time from the release of the task, or from its instant, to its start.
    pub spawns: Duration,
    /// Time that the task runs when nobody stops it.
    pub runs: Duration,
    /// How the task ends when nobody stops it.
    pub end: TaskEnd,
    /// Whether the task ignores SIGTERM.
    pub ignores_sigterm: bool,
    /// How the task ends when SIGTERM stops it. By default SIGTERM kills the task.
    pub end_by_sigterm: Option<TaskEnd>,
    /// Time for which other processes of the task's group outlive the first one. They ignore SIGTERM.
    pub straggles: Duration,
    /// Bytes that the task writes, at a constant rate while it runs.
    pub writes: u32,
    /// Bytes that the task writes to standard error in the same way, if standard error is separate.
    pub writes_errors: u32,
    /// Whether the disk is full while the task writes.
    pub loses_output: bool,
    /// Whether the task is stopped, as by SIGSTOP, whenever the slave looks.
    pub is_stopped: bool,
    /// Whether the slave connects without a probe.
    pub dials: bool,
    /// Whether the slave exits after one session.
    pub once: bool,
    /// Time in which the slave tries to resume a broken connection.
    pub reconnect: Duration,
    /// Bytes of the largest conf that the slave accepts.
    pub max_conf: u64,
    /// Whether the task goes on when its master is gone.
    pub keeps_orphans: bool,
    /// The rank that the slave asks for.
    pub rank: Option<u32>,
    /// The clock of the host.
    pub clock: SimClock,
}

impl Plan {
    /// The settings of a slave that follows the plan, under this name. Its instance number follows from the name.
    #[must_use]
    pub fn settings(&self, name: &str) -> SlaveSettings {
        SlaveSettings {
            name: name.into(),
            instance: name.bytes().fold(0, |number, byte| number << 8 | u64::from(byte)),
            rank: self.rank,
            dials: self.dials,
            once: self.once,
            reconnect: self.reconnect,
            max_conf: self.max_conf,
            keeps_orphans: self.keeps_orphans,
        }
    }
}

/// The plan of a slave whose task runs for this long.
#[must_use]
pub fn runs(time: Duration) -> Plan {
    Plan { runs: time, ..Plan::default() }
}

/// A host's monotonic clock, compared with the world's time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimClock {
    /// Nanoseconds by which the clock is ahead when the world begins.
    pub ahead: i64,
    /// Nanoseconds that the clock gains in a second.
    pub drift: i64,
}

impl SimClock {
    /// The instant that the clock shows at an instant of the world.
    ///
    /// # Panics
    ///
    /// If the clock would show a time before its boot.
    #[must_use]
    pub fn show(self, now: MonotonicInstant) -> MonotonicInstant {
        let drifted = now.since(START).as_nanos().cast_signed() * i128::from(self.drift) / 1_000_000_000;
        let shown = i128::from(now.as_nanos()) + i128::from(self.ahead) + drifted;
        MonotonicInstant::from_nanos(u64::try_from(shown).expect("no clock shows a time before its boot"))
    }

    /// The first instant of the world at which the clock shows this instant or a later one.
    #[must_use]
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

/// What a host refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// To hold the task of a conf: "not here".
    Conf,
    /// To start the released task: "no such program".
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
            writes_errors: 0,
            loses_output: false,
            is_stopped: false,
            dials: false,
            once: false,
            reconnect: Duration::ZERO,
            max_conf: CONF_MAX,
            keeps_orphans: false,
            rank: None,
            clock: SimClock::default(),
        }
    }
}
