//! The log on stderr: lines as they come, with the time in front where it goes to a file.

use std::io::{IsTerminal, Write};

use env_logger::Builder;
use log::LevelFilter;

/// Starts the log: errors only when quiet, one level more for each `-v`.
pub fn start(quiet: bool, verbose: u8) {
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Info,
        (false, 1) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    };
    let mut builder = Builder::new();
    builder.filter_level(level);
    if std::io::stderr().is_terminal() {
        builder.format(|out, record| writeln!(out, "{}", record.args()));
    } else {
        builder.format(|out, record| writeln!(out, "{} {}", out.timestamp_millis(), record.args()));
    }
    builder.init();
}
