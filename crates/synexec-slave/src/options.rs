//! The slave's command line.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use synexec_host::environment::NamePattern;
use synexec_host::host_name::host_name;
use synexec_host::options::{Common, bytes};
use synexec_proto::message::CONF_MAX;

/// Wait for a synexec master, and run its task.
///
/// WARNING: without --key-file, any master that reaches this slave can run any code on it.
///
/// Exit status: with --once, the status of the task itself (128 plus the signal if a signal killed it), 4 the slave declined
/// the conf, 5 the session ended before the start of the task. Otherwise: 2 wrong usage, key file, user or work dir; 7 this
/// host's own network or files failed; 130 or 143 interrupted.
#[derive(Debug, Parser)]
#[command(name = "synexec_slave", version, max_term_width = 100)]
pub struct Options {
    /// Options that both programs have.
    #[command(flatten)]
    pub common: Common,

    /// Connect to this master instead of waiting for probes; try again until it answers
    #[arg(short, long, value_name = "HOST[:PORT]")]
    pub master: Option<String>,

    /// Name of this slave in reports [default: name of the host]
    #[arg(long, default_value_t = host_name(), hide_default_value = true, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub name: String,

    /// Rank that this slave asks for, from 0; a master turns away a second slave that asks for the same rank
    #[arg(long, value_name = "N")]
    pub rank: Option<u32>,

    /// Directory for the payload and the output of the task; each slave on a host needs its own
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    pub work_dir: PathBuf,

    /// Run the tasks as this user, with a login's environment; only for root
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// Variables of the slave's own environment that tasks get too, by name, as in `http_proxy,MPI_*`; `*` for all;
    /// repeatable [default: few, see the guide]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub pass_env: Vec<NamePattern>,

    /// Largest conf that the slave accepts, in bytes; K, M and G mean KiB, MiB and GiB
    #[arg(long, value_name = "BYTES", default_value = "1G", value_parser = bytes(CONF_MAX))]
    pub max_conf: u64,

    /// What to do with a task and all processes that it has started, when its session is over
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Orphans::Stop)]
    pub orphan: Orphans,

    /// End after one session, with the exit status of the task
    #[arg(long)]
    pub once: bool,
}

/// What to do with a task whose session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Orphans {
    /// Stop them
    Stop,
    /// Let them run; the slave serves no other session until they have ended
    Keep,
}

impl Options {
    /// Whether a task may keep running when its session is over.
    pub fn keeps_orphans(&self) -> bool {
        self.orphan == Orphans::Keep
    }

    /// Whether only masters on this host can reach this slave.
    pub fn stays_on_loopback(&self) -> bool {
        let host = self.master.as_deref().map(|master| master.split(':').next().unwrap_or(master));
        let is_loopback =
            |host: &str| host == "localhost" || host.parse().is_ok_and(|host: Ipv4Addr| host.is_loopback());
        host.is_some_and(is_loopback) || self.common.scope().is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_conf_may_have_a_unit() {
        let most = |arguments: &[&str]| {
            Options::try_parse_from([&["synexec_slave"], arguments].concat()).map(|options| options.max_conf)
        };
        assert_eq!(most(&[]).unwrap(), CONF_MAX);
        assert_eq!(most(&["--max-conf", "64K"]).unwrap(), 64 << 10);
        assert!(most(&["--max-conf", "2G"]).is_err() && most(&["--max-conf", "0"]).is_err());
    }

    #[test]
    fn a_master_on_loopback_or_that_interface_alone_is_no_network() {
        let stays =
            |arguments: &[&str]| Options::parse_from([&["synexec_slave"], arguments].concat()).stays_on_loopback();
        assert!(stays(&["-m", "127.0.0.1:77"]) && stays(&["-m", "localhost"]) && stays(&["-i", "lo"]));
        assert!(!stays(&["-m", "10.0.0.1"]) && !stays(&["-m", "127.example"]) && !stays(&[]));
        assert!(!stays(&["-i", "nowhere0"]));
    }
}
