//! Command line options that both programs have, with the same meaning.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use ipnet::Ipv4Net;
use synexec_proto::defaults::{DEFAULT_LOST_AFTER, DEFAULT_PORT, DEFAULT_RECONNECT};
use synexec_proto::secure::Key;
use synexec_proto::wire::SessionId;

use crate::allow::{self, Allowed};
use crate::key_file::{self, KeyFileError};

/// Longest silence that is not yet a loss, in seconds: a day. The kernel's keepalive timers reach not much further.
const LOST_AFTER_MAX: u64 = 24 * 60 * 60;

/// Options of both programs.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Use this network interface only
    #[arg(short, long, value_name = "IF")]
    pub interface: Option<String>,

    /// Port, for UDP and TCP alike
    #[arg(short, long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,

    /// Session id; only peers of the same session talk to each other
    #[arg(short, long, value_name = "ID", default_value_t = 0)]
    session: u32,

    /// Talk only to who has the secret in this file, and only in secret; for its owner only to read
    #[arg(short, long, value_name = "FILE", value_parser = absolute)]
    key_file: Option<PathBuf>,

    /// Talk only to this address or network; repeatable [default: to any]
    #[arg(long, value_name = "ADDR[/LEN]", value_parser = allow::parse)]
    allow: Vec<Ipv4Net>,

    /// Silence in seconds after which a peer counts as lost
    #[arg(long, value_name = "SECS", default_value_t = DEFAULT_LOST_AFTER.as_secs(),
          value_parser = RangedU64ValueParser::<u64>::new().range(1..=LOST_AFTER_MAX))]
    lost_after: u64,

    /// Seconds in which a connection that breaks while tasks run may be taken up again; 0: not at all
    #[arg(long, value_name = "SECS", default_value_t = DEFAULT_RECONNECT.as_secs(),
          value_parser = RangedU64ValueParser::<u64>::new().range(0..=LOST_AFTER_MAX))]
    reconnect: u64,

    /// Run in the background; print the pid on stdout
    #[arg(short, long)]
    pub daemon: bool,

    /// Where a daemon's output goes [default: PROGRAM.log in /var/log for root, else in ~/.local/state]
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,

    /// Say more; given twice, even more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// The file that is meant here, also when the program goes to another directory.
fn absolute(path: &str) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

impl Common {
    /// The session.
    pub fn session(&self) -> SessionId {
        SessionId(self.session)
    }

    /// Time in which a broken connection may be taken up again.
    pub fn reconnect(&self) -> Duration {
        Duration::from_secs(self.reconnect)
    }

    /// The key, where there is to be one.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn key(&self) -> Result<Option<Key>, KeyFileError> {
        self.key_file.as_deref().map(key_file::read).transpose()
    }

    /// Who may be talked to.
    pub fn allowed(&self) -> Allowed {
        Allowed::new(&self.allow)
    }

    /// Silence after which a peer counts as lost.
    pub fn lost_after(&self) -> Duration {
        Duration::from_secs(self.lost_after)
    }
}
