//! The master's command line.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use synexec_host::names::host_name;
use synexec_host::options::Common;
use synexec_proto::master::Settings;

use crate::conf_file::ConfFile;

/// Longest lead, in milliseconds: ten minutes, well below what slaves refuse.
const LEAD_MAX_MILLIS: u64 = 10 * 60 * 1000;

/// Start one task on N machines at the same instant.
///
/// Waits until SLAVES slaves have joined, hands each of them the CONF, starts its command on all of them together,
/// waits for the end of all, and prints a table of what happened.
///
/// Exit status: 0 every task exited 0; 1 a task failed; 2 usage or conf; 3 not enough slaves in time; 4 a slave
/// declined; 5 a slave was lost; 6 the starts were further apart than --max-skew; 7 this host's own network or files failed; 130 or 143 interrupted.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Options {
    /// How many slaves take part
    pub slaves: NonZeroU32,

    /// The job: the command line in its first line, its payload (`:CONF:`) in all that follows
    pub conf: PathBuf,

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

    /// How far ahead the start is ordered, at most ten minutes [default: as the measured round trips ask for]
    #[arg(long, value_name = "MS", value_parser = RangedU64ValueParser::<u64>::new().range(1..=LEAD_MAX_MILLIS))]
    lead: Option<u64>,

    /// Run the task so many times, each with a start of its own
    #[arg(long, value_name = "K", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Exit with status 6 when the starts were further apart, or are not known for all slaves
    #[arg(long, value_name = "USEC")]
    max_skew: Option<u64>,
}

impl Options {
    /// The session that is asked for.
    pub fn settings(&self, conf: &ConfFile) -> Settings {
        Settings {
            name: host_name(),
            slaves: self.slaves,
            wait: self.wait.map(|seconds| Duration::from_secs(seconds.get())),
            lost_after: self.common.lost_after(),
            conf_length: conf.length(),
            runs_payload: conf.runs_payload(),
            lead: self.lead.map(Duration::from_millis),
            rounds: NonZeroU32::new(self.rounds).unwrap_or(NonZeroU32::MIN),
            max_skew: self.max_skew.map(Duration::from_micros),
        }
    }
}
