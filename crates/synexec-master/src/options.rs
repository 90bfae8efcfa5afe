//! The master's command line.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use clap::{Parser, ValueEnum};
use synexec_host::host_name::host_name;
use synexec_host::options::{Common, bytes};
use synexec_proto::variables::{Variable, Variables, VariablesError};
use synexec_session::master::{OtherTasks, OutputsWanted, Settings, SlaveNames, TokenSeed};
use thiserror::Error;

use crate::conf_file::ConfFile;

/// Largest `--lead`, in milliseconds: ten minutes. Slaves refuse a start that is more than an hour ahead.
const LEAD_MAX_MILLIS: u64 = 10 * 60 * 1000;

/// Largest `--progress`, in seconds: a day.
const PROGRESS_MAX_SECONDS: i64 = 24 * 60 * 60;

/// How many bytes of the end of each output an HTML page shows.
pub const TAIL: u32 = 4096;

const OUTPUTS: &str = "Outputs";
const REPORTS: &str = "Reports";

/// Start one task on N machines at the same instant.
///
/// Waits until SLAVES slaves have joined, sends the CONF to each of them, starts its command on all of them at the same
/// instant, and waits until all tasks have ended. Then it prints how far apart the starts were, and a table of the results.
///
/// Exit status: 0 every task exited 0; 1 a task failed, or was stopped by --timeout or --on-failure; 2 wrong usage, conf or
/// key file, a report or output file that cannot be created, or outputs of an earlier run in the directory of -o; 3 not
/// enough slaves joined in time; 4 a slave declined; 5 a slave was lost, or a wanted output is not complete; 6 the skew was
/// larger than --max-skew, or is not known for all slaves; 7 this host's own network or files failed; 130 or 143
/// interrupted.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    name = "synexec_master",
    version,
    max_term_width = 100,
    override_usage = "synexec_master [OPTIONS] <SLAVES> <CONF>\n       synexec_master --check <CONF>\n       \
                      synexec_master --new-key <FILE>"
)]
pub struct Options {
    /// Number of slaves that take part
    #[arg(required_unless_present_any = ["check", "new_key"], value_parser = positive_u32())]
    slaves: Option<NonZeroU32>,

    /// Job file: the first line is the command line, everything after it is the payload (`:CONF:`)
    #[arg(required_unless_present_any = ["check", "new_key"])]
    conf: Option<PathBuf>,

    /// Show what this conf would run and warn of likely mistakes; send nothing
    #[arg(long, value_name = "CONF", conflicts_with_all = ["slaves", "conf"])]
    pub check: Option<PathBuf>,

    /// Write a new random key for --key-file into this file, which must not exist yet
    #[arg(long, value_name = "FILE", conflicts_with_all = ["slaves", "conf", "check"])]
    pub new_key: Option<PathBuf>,

    /// Options that both programs have.
    #[command(flatten)]
    pub common: Common,

    /// Send probes only to 255.255.255.255, not to the broadcast addresses of the interfaces
    #[arg(short, long)]
    pub broadcast: bool,

    /// Send probes to this host too, by unicast; repeatable; for networks without broadcast
    #[arg(short, long = "target", value_name = "HOST[:PORT]")]
    pub targets: Vec<String>,

    /// Give up if not all slaves have joined after this many seconds [default: wait for ever]
    #[arg(long, value_name = "SECS", value_parser = positive_u64())]
    wait: Option<NonZeroU64>,

    /// When --wait is over, start if at least this many slaves have joined
    #[arg(long, value_name = "N", requires = "wait", value_parser = positive_u32())]
    quorum: Option<NonZeroU32>,

    /// Set this variable in the environment of every task; repeatable
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<Variable>,

    /// Stop tasks that have not ended after this many seconds; their rows say `timed out` [default: never]
    #[arg(long, value_name = "SECS", value_parser = positive_u64())]
    timeout: Option<NonZeroU64>,

    /// What to do with the other tasks when a slave is lost while they run
    #[arg(long, value_name = "WHAT", default_value = "continue")]
    on_lost: OtherTasksChoice,

    /// What to do with the other tasks and with further rounds when a task fails
    #[arg(long, value_name = "WHAT", default_value = "continue")]
    on_failure: OtherTasksChoice,

    /// Milliseconds from the order to the start, at most ten minutes [default: depends on the measured round trips]
    #[arg(long, value_name = "MS", value_parser = RangedU64ValueParser::<u64>::new().range(1..=LEAD_MAX_MILLIS))]
    lead: Option<u64>,

    /// Run the task this many times in one session, each time with a new start
    #[arg(long, value_name = "K", default_value = "1", value_parser = positive_u32())]
    rounds: NonZeroU32,

    /// Exit with status 6 if the skew is larger than this many microseconds, or is not known for all slaves
    #[arg(long, value_name = "USEC")]
    max_skew: Option<u64>,

    /// Names of slaves that must take part, as in `web[1-12,14],db1`, in the order of their ranks; if these are SLAVES
    /// names or more, no other slave takes part; repeatable
    #[arg(long, value_name = "NAMES")]
    pub expect: Vec<String>,

    /// Names of slaves that must not take part, written as for --expect; repeatable
    #[arg(long, value_name = "NAMES")]
    pub exclude: Vec<String>,

    /// Interval in seconds at which slaves report the progress of their tasks [default: only when probed]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u32).range(1..=PROGRESS_MAX_SECONDS))]
    progress: Option<u32>,

    /// When all tasks have ended, store their outputs in this directory, each in a file RANK-NAME.out
    #[arg(short, long, value_name = "DIR", help_heading = OUTPUTS)]
    pub output: Option<PathBuf>,

    /// With -o: remove the outputs of earlier runs from the directory; without it, a directory that has some is refused
    #[arg(long, requires = "output", help_heading = OUTPUTS)]
    pub force: bool,

    /// Print the lines of all outputs as they arrive, each after the name of its slave
    #[arg(long, conflicts_with_all = ["output", "gather", "diff"], help_heading = OUTPUTS)]
    pub live: bool,

    /// When all tasks have ended, print their outputs; equal outputs only once, with the names of their slaves
    #[arg(long, help_heading = OUTPUTS)]
    pub gather: bool,

    /// Like --gather, but print only the differences of outputs that differ from the most common one
    #[arg(long, help_heading = OUTPUTS)]
    pub diff: bool,

    /// Keep standard error of the tasks apart from their output: -o stores it in files RANK-NAME.err, --live prints it on
    /// stderr
    #[arg(long, help_heading = OUTPUTS)]
    pub separate: bool,

    /// Most bytes that are kept of each output; K, M and G mean KiB, MiB and GiB; a longer output is cut
    #[arg(long, value_name = "BYTES", default_value = "1G", value_parser = bytes(u64::MAX), help_heading = OUTPUTS)]
    max_output: u64,

    /// Write everything that is known to this file, as JSON
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub json: Option<PathBuf>,

    /// Write a row for each slave and round to this file, as CSV
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub csv: Option<PathBuf>,

    /// Write a page for a browser to this file, with a timeline, charts and the ends of all outputs
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub html: Option<PathBuf>,

    /// Show every slave in a row of its own, even if there are many
    #[arg(long, help_heading = REPORTS)]
    pub all: bool,

    /// When to use colours; without this option, `NO_COLOR` in the environment means never
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = REPORTS)]
    pub color: ColorWhen,
}

/// What to do with the other tasks when a slave is lost, or a task fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OtherTasksChoice {
    /// Stop them
    #[value(alias = "abort")]
    Stop,
    /// Let them run to their ends
    Continue,
}

impl From<OtherTasksChoice> for OtherTasks {
    fn from(choice: OtherTasksChoice) -> Self {
        match choice {
            OtherTasksChoice::Stop => Self::Stop,
            OtherTasksChoice::Continue => Self::Continue,
        }
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// Use colours if stdout is a terminal
    Auto,
    /// Use colours always
    Always,
    /// Use no colours
    Never,
}

/// Parses a positive number, and names the range in the error about any other value.
fn positive_u32() -> impl TypedValueParser<Value = NonZeroU32> {
    clap::value_parser!(u32).range(1..).try_map(NonZeroU32::try_from)
}

fn positive_u64() -> impl TypedValueParser<Value = NonZeroU64> {
    clap::value_parser!(u64).range(1..).try_map(NonZeroU64::try_from)
}

/// `--quorum` is larger than the number of slaves.
#[derive(Debug, Error)]
#[error("--quorum {quorum} is more than the number of slaves of this session, {slaves}")]
pub struct QuorumError {
    quorum: NonZeroU32,
    slaves: NonZeroU32,
}

impl Options {
    /// Checks that the quorum is not larger than the number of slaves.
    ///
    /// # Errors
    /// [`QuorumError`] if it is.
    pub fn check_quorum(&self) -> Result<(), QuorumError> {
        match (self.quorum, self.slaves) {
            (Some(quorum), Some(slaves)) if quorum > slaves => Err(QuorumError { quorum, slaves }),
            _ => Ok(()),
        }
    }

    /// The variables that every task gets.
    ///
    /// # Errors
    /// [`VariablesError`] if they cannot be sent in one message.
    pub fn variables(&self) -> Result<Variables, VariablesError> {
        Variables::new(self.env.iter().cloned())
    }

    /// The settings of the session. The tokens of its slaves are derived from the seed.
    pub fn settings(
        &self,
        conf: &ConfFile,
        names: SlaveNames,
        variables: Variables,
        token_seed: TokenSeed,
    ) -> Settings {
        Settings {
            name: host_name(),
            slaves: self.slaves(),
            names,
            wait: self.wait.map(|seconds| Duration::from_secs(seconds.get())),
            lost_after: self.common.lost_after(),
            conf_length: conf.length(),
            runs_payload: conf.runs_payload(),
            variables,
            lead: self.lead.map(Duration::from_millis),
            rounds: self.rounds,
            max_skew: self.max_skew(),
            progress: self.progress.map(|seconds| Duration::from_secs(seconds.into())),
            outputs: self.outputs_wanted(),
            max_output: self.max_output,
            separate: self.separate,
            quorum: self.quorum,
            timeout: self.timeout(),
            on_lost: self.on_lost.into(),
            on_failure: self.on_failure.into(),
            reconnect: self.common.reconnect(),
            token_seed,
        }
    }

    /// Number of slaves that take part.
    pub fn slaves(&self) -> NonZeroU32 {
        self.slaves.unwrap_or(NonZeroU32::MIN)
    }

    /// The job file.
    pub fn conf(&self) -> &Path {
        self.conf.as_deref().or(self.check.as_deref()).unwrap_or(Path::new(""))
    }

    /// Number of rounds, from 1.
    pub fn rounds(&self) -> u32 {
        self.rounds.get()
    }

    /// Largest skew with which the session still succeeds, if the user gave one.
    pub fn max_skew(&self) -> Option<Duration> {
        self.max_skew.map(Duration::from_micros)
    }

    /// Number of slaves that are enough when `--wait` is over, if the user gave one.
    pub fn quorum(&self) -> Option<u32> {
        self.quorum.map(NonZeroU32::get)
    }

    /// Longest time that a task may run, if the user gave one.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.map(|seconds| Duration::from_secs(seconds.get()))
    }

    /// Most bytes that are kept of each output, if the user wants outputs as a whole.
    pub fn max_output(&self) -> Option<u64> {
        matches!(self.outputs_wanted(), OutputsWanted::Whole | OutputsWanted::Live).then_some(self.max_output)
    }

    /// Whether slaves report progress without being probed.
    pub fn tells_progress(&self) -> bool {
        self.progress.is_some()
    }

    /// Whether the outputs are printed at the end.
    pub fn gathers(&self) -> bool {
        self.gather || self.diff
    }

    fn outputs_wanted(&self) -> OutputsWanted {
        if self.live {
            OutputsWanted::Live
        } else if self.output.is_some() || self.gathers() {
            OutputsWanted::Whole
        } else if self.html.is_some() {
            OutputsWanted::Tails(TAIL)
        } else {
            OutputsWanted::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_bytes_of_an_output_may_have_a_unit() {
        let most = |arguments: &str| {
            let words = ["synexec_master", "2", "job.conf"].into_iter().chain(arguments.split_whitespace());
            Options::try_parse_from(words).map(|options| options.max_output)
        };
        assert_eq!(most("").unwrap(), 1 << 30);
        assert_eq!(most("--max-output 100M").unwrap(), 100 << 20);
        for wrong in ["--max-output 0", "--max-output 1X", "--max-output -1"] {
            assert!(most(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_number_of_zero_is_refused_with_the_range() {
        for arguments in [
            "0 job.conf",
            "2 job.conf --wait 0",
            "2 job.conf --wait 3 --quorum 0",
            "2 job.conf --timeout 0",
            "2 job.conf --rounds 0",
        ] {
            let refused = Options::try_parse_from(["synexec_master"].into_iter().chain(arguments.split(' ')));
            let why = refused.unwrap_err().to_string();
            assert!(why.contains("0 is not in 1.."), "{arguments}: {why}");
        }
    }
}
