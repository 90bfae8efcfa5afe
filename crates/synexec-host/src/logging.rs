//! The log on stderr: lines as they come, with the time in front where it goes to a file.

use std::io::{IsTerminal, Write};

use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::options::Common;

/// Starts the log: errors only when quiet, one level more for each `-v`. Lines go to stderr, through `writer` where
/// something else on the terminal has to make room for them.
pub fn start(options: &Common, writer: Option<Box<dyn Write + Send>>) {
    let level = match (options.quiet, options.verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Info,
        (false, 1) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    };
    let mut builder = Builder::new();
    builder.filter_level(level).target(writer.map_or(Target::Stderr, Target::Pipe));
    // What a daemon says goes to its log file, whatever stderr is now.
    if std::io::stderr().is_terminal() && !options.daemon {
        builder.format(|out, record| writeln!(out, "{}", record.args()));
    } else {
        builder.format(|out, record| writeln!(out, "{} {}", out.timestamp_millis(), record.args()));
    }
    builder.init();
}
