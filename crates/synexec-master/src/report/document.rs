//! The document. Its JSON form is described by `dist/schemas/report-1.schema.json` at the root of the repository: a field is
//! never removed nor its meaning changed without another version.
//!
//! Instants are RFC 3339 in UTC, to the nanosecond. Numbers that end in `_ns` are nanoseconds; those of a round that are
//! instants count from its `zero`, on the master's monotonic clock.

use serde::Serialize;

/// What the document is called, so that a reader knows it.
pub const SCHEMA: &str = "synexec-report";

/// Version of the schema.
pub const VERSION: u32 = 1;

/// A session.
#[derive(Debug, Clone, Serialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// [`VERSION`].
    pub version: u32,
    /// The program that wrote this, and its version.
    pub program: String,
    /// Session id.
    pub session: u32,
    /// What the master's host is called.
    pub master: String,
    /// What was run.
    pub conf: Conf,
    /// What was asked for.
    pub asked: Asked,
    /// When the master began to look for slaves.
    pub began: String,
    /// When the session was over.
    pub ended: String,
    /// The session in one word.
    pub verdict: &'static str,
    /// Exit status of the master.
    pub exit_status: u8,
    /// The session in one sentence.
    pub sentence: String,
    /// What happened, round by round.
    pub rounds: Vec<RoundReport>,
}

/// The conf.
#[derive(Debug, Clone, Serialize)]
pub struct Conf {
    /// The file, as it was named.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its first line's words.
    pub command_line: String,
    /// Size of what follows the first line.
    pub payload_bytes: u64,
}

/// What the user asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// How many slaves.
    pub slaves: u32,
    /// How many rounds.
    pub rounds: u32,
    /// Skew above which the session has failed.
    pub max_skew_ns: Option<u64>,
    /// How many slaves are enough when the wait is over; all where it is null.
    pub quorum: Option<u32>,
    /// How long a task may run.
    pub timeout_ns: Option<u64>,
}

/// Every slave's task run once.
#[derive(Debug, Clone, Serialize)]
pub struct RoundReport {
    /// From 1.
    pub round: u32,
    /// The round in one sentence.
    pub sentence: String,
    /// How many tasks succeeded.
    pub succeeded: usize,
    /// The first measured start, or where none is known the ordered instant, by the master's wall clock.
    pub zero: Option<String>,
    /// The ordered instant.
    pub ordered_ns: Option<i64>,
    /// How far apart the starts were.
    pub skew: Option<SkewReport>,
    /// One for each slave, by rank.
    pub slaves: Vec<SlaveReport>,
}

/// How far apart the starts were.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SkewReport {
    /// Last minus first.
    pub skew_ns: u64,
    /// How far the true skew can be from it, either way.
    pub uncertainty_ns: u64,
    /// Starts that are known.
    pub known: usize,
    /// Slaves that took part.
    pub slaves: usize,
    /// How long all were running together; null where a start is not known.
    pub together_ns: Option<u64>,
}

/// One slave's part in a round.
#[derive(Debug, Clone, Serialize)]
pub struct SlaveReport {
    /// From 0.
    pub rank: u32,
    /// What it is called.
    pub name: String,
    /// Where it was connected from.
    pub address: String,
    /// Whether it spoke version 1 of the protocol only.
    pub original: bool,
    /// What became of it.
    pub outcome: OutcomeReport,
    /// How its task was held.
    pub held: Option<String>,
    /// Since when.
    pub held_ns: Option<i64>,
    /// When its task started.
    pub start: Option<StartReport>,
    /// When its task ended.
    pub end_ns: Option<i64>,
    /// Start by the slave's own wall clock.
    pub started: Option<String>,
    /// End by the slave's own wall clock.
    pub finished: Option<String>,
    /// Time between the two, by its monotonic clock where it tells.
    pub elapsed_ns: Option<u64>,
    /// What was known of its clock at the start.
    pub clock: Option<ClockReport>,
    /// By how much its clock has run on since, where that was not evenly.
    pub clock_slip_ns: Option<i64>,
    /// What its task used.
    pub usage: Option<UsageReport>,
    /// What happened to its host while the task ran.
    pub guest: Option<GuestReport>,
    /// How long it took to answer a probe, where that was long.
    pub answered_late_ns: Option<u64>,
    /// How often its connection broke and was taken up again.
    pub reconnects: u32,
    /// In words, why its figures are no measurement, and what else is to be known.
    pub remarks: Vec<String>,
    /// Whether it failed, was late or lost, or has remarks.
    pub stands_out: bool,
    /// What was had of its output; null where that was not wanted.
    pub output: Option<OutputReport>,
}

/// What became of a slave.
#[derive(Debug, Clone, Serialize)]
pub struct OutcomeReport {
    /// `exited`, `killed`, `finished` (an original slave, which does not say how), `timed_out`, `declined`, `lost` or
    /// `cancelled`.
    pub kind: &'static str,
    /// Exit status of an exited task.
    pub status: Option<u8>,
    /// Signal of a killed one.
    pub signal: Option<u8>,
    /// In words.
    pub text: String,
    /// Whether this counts as success.
    pub succeeded: bool,
}

/// A measured start.
#[expect(clippy::struct_field_names, reason = "the schema has the unit in each name")]
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StartReport {
    /// First instruction.
    pub at_ns: i64,
    /// How far the true start can be from it, either way.
    pub uncertainty_ns: u64,
    /// How long after the ordered instant it was released.
    pub late_ns: u64,
}

/// An estimate of a clock.
#[expect(clippy::struct_field_names, reason = "the schema has the unit in each name")]
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ClockReport {
    /// The slave's monotonic clock less the master's.
    pub offset_ns: i64,
    /// How far the true offset can be from it, either way.
    pub uncertainty_ns: u64,
    /// Round trip of the best exchange.
    pub round_trip_ns: u64,
}

/// What a task used: see getrusage(2).
#[derive(Debug, Clone, Copy, Serialize)]
pub struct UsageReport {
    /// On a core in the program.
    pub cpu_user_ns: u64,
    /// On a core in the kernel.
    pub cpu_system_ns: u64,
    /// Most that one process had resident.
    pub peak_memory_bytes: u64,
    /// Times it gave up its core.
    pub voluntary_switches: u64,
    /// Times its core was taken from it.
    pub involuntary_switches: u64,
}

/// What happened to a host.
#[derive(Debug, Clone, Serialize)]
pub struct GuestReport {
    /// CPU steal, summed over cores.
    pub steal_ns: u64,
    /// By how much its wall clock was set.
    pub clock_step_ns: i64,
    /// How long it was suspended.
    pub suspended_ns: u64,
    /// What its kernel takes the time from.
    pub clock_source: Option<String>,
}

/// What was had of an output.
#[derive(Debug, Clone, Serialize)]
pub struct OutputReport {
    /// How much of it.
    pub state: OutputState,
    /// Its whole size.
    pub bytes: Option<u64>,
    /// BLAKE3 digest of all of it, where all of it was fetched.
    pub blake3: Option<String>,
    /// The file that it is in.
    pub file: Option<String>,
    /// Why it could not be fetched.
    pub why: Option<String>,
    /// Where it is on the slave's host, unless that path is too long to be told.
    pub kept_at: Option<String>,
    /// Its end, where that was kept for a page.
    pub tail: Option<String>,
}

/// How much of an output is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputState {
    /// All of it, in a file.
    Stored,
    /// All of it was fetched and checked, and is in no file that stays.
    Fetched,
    /// Its end, which a page shows.
    Tail,
    /// It could not be fetched.
    Failed,
    /// An original slave does not give it.
    Unavailable,
}
