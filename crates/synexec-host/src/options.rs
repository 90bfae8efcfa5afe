//! The command line options that both programs have, with the same meaning in both.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{NonEmptyStringValueParser, RangedU64ValueParser};
use ipnet::Ipv4Net;
use synexec_proto::defaults::{DEFAULT_LOST_AFTER, DEFAULT_PORT, DEFAULT_RECONNECT};
use synexec_proto::secure::Key;
use synexec_proto::wire::SessionId;

use crate::allow::{self, AllowedNetworks};
use crate::daemon::default_log_file;
use crate::interfaces::Scope;
use crate::key_file::{self, KeyFileError};

/// Largest `--lost-after`, in seconds: a day. The kernel's keepalive timers do not reach much further.
const LOST_AFTER_MAX: u64 = 24 * 60 * 60;

/// Options that both programs have.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Use only this network interface, and wait until it has an IPv4 address
    #[arg(short, long, value_name = "IF", value_parser = NonEmptyStringValueParser::new())]
    interface: Option<String>,

    /// UDP and TCP port
    #[arg(short, long, value_name = "PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,

    /// Session id; only programs with the same id talk to each other
    #[arg(short, long, value_name = "ID", default_value_t = 0)]
    session: u32,

    /// Require the shared key in this file and encrypt everything; only the owner may have access to the file
    #[arg(short, long, value_name = "FILE", value_parser = absolute)]
    key_file: Option<PathBuf>,

    /// Talk only to this address or network; repeatable [default: any]
    #[arg(long, value_name = "ADDR[/LEN]", value_parser = allow::parse)]
    allow: Vec<Ipv4Net>,

    /// Silence in seconds after which the other side counts as lost
    #[arg(long, value_name = "SECS", default_value_t = DEFAULT_LOST_AFTER.as_secs(),
          value_parser = RangedU64ValueParser::<u64>::new().range(1..=LOST_AFTER_MAX))]
    lost_after: u64,

    /// Time in seconds to resume a connection that breaks while tasks run; 0 to give up at once
    #[arg(long, value_name = "SECS", default_value_t = DEFAULT_RECONNECT.as_secs(),
          value_parser = RangedU64ValueParser::<u64>::new().range(0..=LOST_AFTER_MAX))]
    reconnect: u64,

    /// Run in the background and print the pid on stdout
    #[arg(short, long)]
    pub daemon: bool,

    /// Log file of a daemon, which SIGHUP opens anew [default: PROGRAM.log in /var/log for root, otherwise in
    /// ~/.local/state]
    #[arg(long, value_name = "FILE", value_parser = absolute)]
    log_file: Option<PathBuf>,

    /// Print more messages; give it twice for even more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Print only errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// The absolute path of the file, which stays right when a daemon changes to another directory.
fn absolute(path: &str) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// A parser of a number of bytes from 1 to `most`, as users write it: `4096`, `64K`, `100M`, `1G`.
pub fn bytes(most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let range = if most == u64::MAX { "from 1".to_owned() } else { format!("from 1 to {most}") };
        number_of_bytes(text)
            .filter(|bytes| (1..=most).contains(bytes))
            .ok_or_else(|| format!("expected a number {range}, and K, M or G if you like: 100M"))
    }
}

fn number_of_bytes(text: &str) -> Option<u64> {
    let (number, shift) = match text.char_indices().next_back()? {
        (at, 'K' | 'k') => (text.get(..at)?, 10),
        (at, 'M' | 'm') => (text.get(..at)?, 20),
        (at, 'G' | 'g') => (text.get(..at)?, 30),
        _ => (text, 0),
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl Common {
    /// Id of the session.
    pub fn session(&self) -> SessionId {
        SessionId(self.session)
    }

    /// The interfaces that the program may use.
    pub fn scope(&self) -> Scope {
        self.interface.clone().map_or(Scope::All, Scope::One)
    }

    /// Time in which a broken connection may be resumed; zero if it may not.
    pub fn reconnect(&self) -> Duration {
        Duration::from_secs(self.reconnect)
    }

    /// The shared key of `--key-file`, or none without that option. Each call reads the file.
    ///
    /// # Errors
    /// [`KeyFileError`] if the file cannot be read, is readable by others, or has too short a secret.
    pub fn key(&self) -> Result<Option<Key>, KeyFileError> {
        self.key_file.as_deref().map(key_file::read).transpose()
    }

    /// The log file of `--log-file`, or the default one of this program.
    pub fn log_file(&self, program: &str) -> PathBuf {
        self.log_file.clone().unwrap_or_else(|| default_log_file(program))
    }

    /// The addresses that the program may talk to.
    pub fn allowed(&self) -> AllowedNetworks {
        AllowedNetworks::new(&self.allow)
    }

    /// Silence after which the other side counts as lost.
    pub fn lost_after(&self) -> Duration {
        Duration::from_secs(self.lost_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_bytes_may_have_a_unit_and_has_a_range() {
        for (text, number) in [("1", 1), ("4096", 4096), ("64K", 64 << 10), ("100m", 100 << 20), ("1G", 1 << 30)] {
            assert_eq!(bytes(u64::MAX)(text), Ok(number));
            assert_eq!(bytes(number)(text), Ok(number));
            assert!(bytes(number - 1)(text).is_err_and(|why| why.contains(&format!("from 1 to {}", number - 1))));
        }
        for wrong in ["", "0", "0K", "K", "1T", "-1", "1.5G", "99999999999G"] {
            assert!(bytes(u64::MAX)(wrong).is_err(), "{wrong}");
        }
    }
}
