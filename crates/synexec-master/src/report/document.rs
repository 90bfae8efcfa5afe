//! The document. `dist/schemas/report-1.schema.json` at the root of the repository describes it as JSON. No field is
//! removed and no field changes its meaning without a new version.
//!
//! Dates are RFC 3339 in UTC, to the nanosecond. Fields that end in `_ns` are nanoseconds. Instants in such fields
//! count from the `zero` of their round, on the master's monotonic clock.

mod output;

use serde::Serialize;
use synexec_proto::message::TaskStream;

pub use output::{OutputReport, OutputState, StreamName};

/// Name of the schema, by which a reader recognises a report.
pub const SCHEMA: &str = "synexec-report";

/// Version of the schema.
pub const VERSION: u32 = 1;

/// The report of a session.
#[derive(Debug, Clone, Serialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// [`VERSION`].
    pub version: u32,
    /// Name and version of the program that wrote the report.
    pub program: String,
    /// Session id.
    pub session: u32,
    /// Name of the master's host.
    pub master: String,
    /// The conf that was run.
    pub conf: ConfReport,
    /// What the user asked for.
    pub asked: Asked,
    /// Date when the master began to look for slaves.
    pub began: String,
    /// Date when the session was over.
    pub ended: String,
    /// The session in one word.
    pub verdict: &'static str,
    /// Exit status of the master.
    pub exit_status: u8,
    /// The session in one sentence.
    pub sentence: String,
    /// The rounds in their order.
    pub rounds: Vec<RoundReport>,
}

/// The conf that was run.
#[derive(Debug, Clone, Serialize)]
pub struct ConfReport {
    /// Path of the conf, as the user gave it.
    pub path: String,
    /// Size of the conf in bytes.
    pub bytes: u64,
    /// The words of the first line, with one space between them.
    pub command_line: String,
    /// Size of the payload in bytes: all that follows the first line.
    pub payload_bytes: u64,
}

/// What the user asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    /// Number of slaves.
    pub slaves: u32,
    /// Number of rounds.
    pub rounds: u32,
    /// Largest skew with which the session succeeds.
    pub max_skew_ns: Option<u64>,
    /// Number of slaves that is enough when the wait is over; all slaves if this is null.
    pub quorum: Option<u32>,
    /// Longest time that a task may run.
    pub timeout_ns: Option<u64>,
    /// Variables in the environment of every task, each as `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Most bytes that are kept of each output; null if the user did not want whole outputs.
    pub max_output_bytes: Option<u64>,
    /// Whether standard error is kept apart from the output.
    pub separate: bool,
}

/// One round: every slave runs the task once.
#[derive(Debug, Clone, Serialize)]
pub struct RoundReport {
    /// Number of the round, from 1.
    pub round: u32,
    /// The round in one sentence.
    pub sentence: String,
    /// Number of slaves whose task succeeded.
    pub succeeded: usize,
    /// Date of the first measured start on the master's wall clock; date of the ordered start if no start is known.
    pub zero: Option<String>,
    /// The ordered start.
    pub ordered_ns: Option<i64>,
    /// How far apart the starts were.
    pub skew: Option<SkewReport>,
    /// The slaves, by rank.
    pub slaves: Vec<SlaveReport>,
}

/// How far apart the starts were.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SkewReport {
    /// Last start minus first start.
    pub skew_ns: u64,
    /// Largest error of the skew in either direction.
    pub uncertainty_ns: u64,
    /// Number of known starts.
    pub known: usize,
    /// Number of slaves that took part.
    pub slaves: usize,
    /// How long all tasks ran together; null if a start is not known.
    pub together_ns: Option<u64>,
}

/// One slave's part in a round.
#[derive(Debug, Clone, Serialize)]
pub struct SlaveReport {
    /// Rank of the slave, from 0.
    pub rank: u32,
    /// Name of the slave.
    pub name: String,
    /// Name by which texts and outputs call the slave: its name, with its address if another slave has the same name.
    pub label: String,
    /// Address and port from which the slave connected.
    pub address: String,
    /// Whether the slave speaks only version 1 of the protocol.
    pub original: bool,
    /// How the round ended for the slave.
    pub outcome: OutcomeReport,
    /// How the task was held before the start.
    pub held: Option<String>,
    /// Instant since which the task was held.
    pub held_ns: Option<i64>,
    /// Measured start of the task.
    pub start: Option<StartReport>,
    /// Instant at which the task ended.
    pub end_ns: Option<i64>,
    /// Date of the start on the slave's wall clock.
    pub started: Option<String>,
    /// Date of the end on the slave's wall clock.
    pub finished: Option<String>,
    /// Time from start to end, on the slave's monotonic clock if the slave reports it.
    pub elapsed_ns: Option<u64>,
    /// Estimate of the slave's clock at the start.
    pub clock: Option<ClockReport>,
    /// How far the slave's clock moved against the estimate since then, if this is more than the uncertainty explains.
    pub clock_slip_ns: Option<i64>,
    /// Resources that the task used.
    pub usage: Option<UsageReport>,
    /// Disturbances of the slave's host while the task ran.
    pub guest: Option<GuestReport>,
    /// How long the slave took to answer a probe, if that was long.
    pub answered_late_ns: Option<u64>,
    /// How often the connection broke and was resumed.
    pub reconnects: u32,
    /// Remarks in words, above all why the figures are not reliable.
    pub remarks: Vec<String>,
    /// Whether the task did not succeed or the slave has remarks.
    pub stands_out: bool,
    /// Path of the task's output on the slave's host, unless the path is too long for a message or a later round has
    /// replaced the output.
    pub output_path: Option<String>,
    /// Path of the task's standard error on the slave's host, if it is separate.
    pub errors_path: Option<String>,
    /// Last lines of a task that failed.
    pub last_lines: Option<String>,
    /// The stream that has these lines.
    pub last_lines_of: Option<StreamName>,
    /// Why the end of the task's output may be missing on the slave.
    pub output_lost: Option<String>,
    /// The fetched output; null if the user did not want it.
    pub output: Option<OutputReport>,
    /// The fetched standard error; null if it is not separate, or the user did not want it.
    pub errors: Option<OutputReport>,
}

impl SlaveReport {
    /// What was fetched of a stream; none if the user did not want it.
    pub fn output_of(&self, stream: TaskStream) -> Option<&OutputReport> {
        match stream {
            TaskStream::Output => self.output.as_ref(),
            TaskStream::Errors => self.errors.as_ref(),
        }
    }

    /// Path of a stream on the slave's host, if it is known.
    pub fn path_of(&self, stream: TaskStream) -> Option<&str> {
        match stream {
            TaskStream::Output => self.output_path.as_deref(),
            TaskStream::Errors => self.errors_path.as_deref(),
        }
    }
}

/// How the round ended for a slave.
#[derive(Debug, Clone, Serialize)]
pub struct OutcomeReport {
    /// `exited`, `killed`, `finished` (of an original slave, which does not report the exit status), `timed_out`,
    /// `declined`, `lost` or `cancelled`.
    pub kind: &'static str,
    /// Exit status of a task that exited.
    pub status: Option<u8>,
    /// Signal that killed the task.
    pub signal: Option<u8>,
    /// The outcome in words.
    pub text: String,
    /// Whether this counts as success.
    pub succeeded: bool,
}

/// A measured start.
#[expect(clippy::struct_field_names, reason = "the schema has the unit in each name")]
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StartReport {
    /// Instant of the program's first instruction.
    pub at_ns: i64,
    /// Largest error of the start in either direction.
    pub uncertainty_ns: u64,
    /// Time from the ordered start to the release of the task.
    pub late_ns: u64,
}

/// Estimate of a slave's clock.
#[expect(clippy::struct_field_names, reason = "the schema has the unit in each name")]
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ClockReport {
    /// The slave's monotonic clock minus the master's.
    pub offset_ns: i64,
    /// Largest error of the offset in either direction.
    pub uncertainty_ns: u64,
    /// Round trip of the best exchange of timestamps.
    pub round_trip_ns: u64,
}

/// Resources that a task used: see getrusage(2).
#[derive(Debug, Clone, Copy, Serialize)]
pub struct UsageReport {
    /// CPU time in user mode.
    pub cpu_user_ns: u64,
    /// CPU time in kernel mode.
    pub cpu_system_ns: u64,
    /// Largest resident memory of one process.
    pub peak_memory_bytes: u64,
    /// How often the task gave up its core.
    pub voluntary_switches: u64,
    /// How often the kernel took the core from the task.
    pub involuntary_switches: u64,
}

/// Disturbances of a host, and facts about it.
#[derive(Debug, Clone, Serialize)]
pub struct GuestReport {
    /// CPU steal, summed over all cores.
    pub steal_ns: u64,
    /// How far the wall clock was set forward or back.
    pub clock_step_ns: i64,
    /// How long the host was suspended.
    pub suspended_ns: u64,
    /// Clock source of the kernel.
    pub clock_source: Option<String>,
    /// Number of cores.
    pub cores: Option<u32>,
}
