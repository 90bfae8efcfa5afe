//! The master's command line.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use synexec_host::names::host_name;
use synexec_host::options::Common;
use synexec_session::master::{OnLost, OutputsWanted, Settings, TokenSeed};
use thiserror::Error;

use crate::conf_file::ConfFile;

/// Longest lead, in milliseconds: ten minutes, well below what slaves refuse.
const LEAD_MAX_MILLIS: u64 = 10 * 60 * 1000;

/// Longest time between two reports of progress, in seconds: a day.
const PROGRESS_MAX_SECONDS: i64 = 24 * 60 * 60;

/// Bytes of each output's end that a page shows.
pub const TAIL: u32 = 4096;

const OUTPUTS: &str = "Outputs";
const REPORTS: &str = "Reports";

/// Start one task on N machines at the same instant.
///
/// Waits until SLAVES slaves have joined, hands each of them the CONF, starts its command on all of them together,
/// waits for the end of all, and prints how far apart the starts were and a table of what happened.
///
/// Exit status: 0 every task exited 0; 1 a task failed, or was stopped when its time was over; 2 usage, conf or key file;
/// 3 not enough slaves in time; 4 a slave declined; 5 a slave, or its output, was lost; 6 the starts were further apart
/// than --max-skew; 7 this host's own network or files failed; 130 or 143 interrupted.
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
    /// How many slaves take part
    #[arg(required_unless_present_any = ["check", "new_key"])]
    slaves: Option<NonZeroU32>,

    /// The job: the command line in its first line, its payload (`:CONF:`) in all that follows
    #[arg(required_unless_present_any = ["check", "new_key"])]
    conf: Option<PathBuf>,

    /// Only show what this conf would run, and warn of what is likely to be a mistake; send nothing
    #[arg(long, value_name = "CONF", conflicts_with_all = ["slaves", "conf"])]
    pub check: Option<PathBuf>,

    /// Only write a new random key into this file, which must not be there yet, for --key-file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["slaves", "conf", "check"])]
    pub new_key: Option<PathBuf>,

    /// Options that both programs have.
    #[command(flatten)]
    pub common: Common,

    /// Probe 255.255.255.255 only, not the interfaces' own broadcast addresses
    #[arg(short, long)]
    pub broadcast: bool,

    /// Probe this host by unicast too; repeatable; for networks without broadcast
    #[arg(short, long = "target", value_name = "HOST[:PORT]")]
    pub targets: Vec<String>,

    /// Give up when not all slaves have joined by then [default: wait for ever]
    #[arg(long, value_name = "SECS")]
    wait: Option<NonZeroU64>,

    /// Start with so many slaves of those asked for, where --wait is over and no more are here
    #[arg(long, value_name = "N", requires = "wait")]
    quorum: Option<NonZeroU32>,

    /// Stop tasks that have not ended after this time; the row says `timed out` [default: wait for ever]
    #[arg(long, value_name = "SECS")]
    timeout: Option<NonZeroU64>,

    /// What becomes of the other tasks when a slave is lost while they run
    #[arg(long, value_name = "WHAT", default_value = "continue")]
    on_lost: OnLostChoice,

    /// How far ahead the start is ordered, at most ten minutes [default: as the measured round trips ask for]
    #[arg(long, value_name = "MS", value_parser = RangedU64ValueParser::<u64>::new().range(1..=LEAD_MAX_MILLIS))]
    lead: Option<u64>,

    /// Run the task so many times, each with a start of its own
    #[arg(long, value_name = "K", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Exit with status 6 when the starts were further apart, or are not known for all slaves
    #[arg(long, value_name = "USEC")]
    max_skew: Option<u64>,

    /// Name slaves that are expected, as in `web[1-12,14],db1`, to be told which are still missing; repeatable
    #[arg(long, value_name = "NAMES")]
    pub expect: Vec<String>,

    /// Have the slaves tell so often how far their tasks are; without it, they tell only when they are probed
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u32).range(1..=PROGRESS_MAX_SECONDS))]
    progress: Option<u32>,

    /// Fetch the tasks' outputs into this directory when all have ended, a file RANK-NAME.out for each
    #[arg(short, long, value_name = "DIR", help_heading = OUTPUTS)]
    pub output: Option<PathBuf>,

    /// Print the lines of all outputs as they come, each with the slave's name in front
    #[arg(long, conflicts_with_all = ["output", "gather", "diff"], help_heading = OUTPUTS)]
    pub live: bool,

    /// Print the outputs when all tasks have ended, those that are the same once, with the names of all whose they are
    #[arg(long, help_heading = OUTPUTS)]
    pub gather: bool,

    /// As --gather, but of outputs that are not like most others print only what differs
    #[arg(long, help_heading = OUTPUTS)]
    pub diff: bool,

    /// Write all that is known into this file, as JSON
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub json: Option<PathBuf>,

    /// Write a row for each slave and round into this file, as CSV
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub csv: Option<PathBuf>,

    /// Write one page for a browser into this file, with a timeline, charts and the ends of all outputs
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub html: Option<PathBuf>,

    /// Show every slave in the table, not only those that stand out when there are many
    #[arg(long, help_heading = REPORTS)]
    pub all: bool,

    /// When to mark what stands out by colour; `NO_COLOR` in the environment means never, unless this says otherwise
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = REPORTS)]
    pub color: ColorWhen,
}

/// What becomes of the other tasks when a slave is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnLostChoice {
    /// They are stopped.
    Abort,
    /// They run to their ends.
    Continue,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// Where stdout is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// More slaves would be enough than take part.
#[derive(Debug, Error)]
#[error("--quorum {quorum} is more than the {slaves} slaves that are asked for; no more than that can be enough")]
pub struct QuorumError {
    quorum: NonZeroU32,
    slaves: NonZeroU32,
}

impl Options {
    /// Whether as many slaves can be here as are to be enough.
    ///
    /// # Errors
    /// [`QuorumError`].
    pub fn check_quorum(&self) -> Result<(), QuorumError> {
        match (self.quorum, self.slaves) {
            (Some(quorum), Some(slaves)) if quorum > slaves => Err(QuorumError { quorum, slaves }),
            _ => Ok(()),
        }
    }

    /// The session that is asked for; its slaves' tokens are made from the seed.
    pub fn settings(&self, conf: &ConfFile, token_seed: TokenSeed) -> Settings {
        Settings {
            name: host_name(),
            slaves: self.slaves(),
            wait: self.wait.map(|seconds| Duration::from_secs(seconds.get())),
            lost_after: self.common.lost_after(),
            conf_length: conf.length(),
            runs_payload: conf.runs_payload(),
            lead: self.lead.map(Duration::from_millis),
            rounds: NonZeroU32::new(self.rounds).unwrap_or(NonZeroU32::MIN),
            max_skew: self.max_skew(),
            progress: self.progress.map(|seconds| Duration::from_secs(seconds.into())),
            outputs: self.outputs_wanted(),
            quorum: self.quorum,
            timeout: self.timeout(),
            on_lost: match self.on_lost {
                OnLostChoice::Abort => OnLost::Abort,
                OnLostChoice::Continue => OnLost::Continue,
            },
            reconnect: self.common.reconnect(),
            token_seed,
        }
    }

    /// How many slaves take part.
    pub fn slaves(&self) -> NonZeroU32 {
        self.slaves.unwrap_or(NonZeroU32::MIN)
    }

    /// The job's file.
    pub fn conf(&self) -> &Path {
        self.conf.as_deref().or(self.check.as_deref()).unwrap_or(Path::new(""))
    }

    /// How often the task is run.
    pub fn rounds(&self) -> u32 {
        self.rounds
    }

    /// Skew above which the session has failed.
    pub fn max_skew(&self) -> Option<Duration> {
        self.max_skew.map(Duration::from_micros)
    }

    /// How many slaves are enough when the wait is over.
    pub fn quorum(&self) -> Option<u32> {
        self.quorum.map(NonZeroU32::get)
    }

    /// How long a task may run.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.map(|seconds| Duration::from_secs(seconds.get()))
    }

    /// Whether slaves tell by themselves how far their tasks are.
    pub fn tells_progress(&self) -> bool {
        self.progress.is_some()
    }

    /// Whether all outputs are printed at the end.
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
