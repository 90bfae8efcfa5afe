//! The log on stderr. Lines start with the time unless stderr is a terminal. Each record is one line: text from
//! elsewhere can neither forge a line nor control the terminal.

use std::io::{IsTerminal, Write};

use env_logger::{Builder, Target};
use log::LevelFilter;
use synexec_proto::text::plain_line;

use crate::options::Common;

/// Starts the log: errors only with `--quiet`, one more level for each `-v`. Lines go to stderr, or to `writer` if
/// there is one, which can make room on a terminal that shows something else too.
pub fn start(options: &Common, writer: Option<Box<dyn Write + Send>>) {
    let level = match (options.quiet, options.verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Info,
        (false, 1) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    };
    let mut builder = Builder::new();
    builder.filter_level(level).target(writer.map_or(Target::Stderr, Target::Pipe));
    // A daemon's lines go to its log file, even if stderr is still a terminal now.
    if std::io::stderr().is_terminal() && !options.daemon {
        builder.format(|out, record| writeln!(out, "{}", plain_line(&record.args().to_string())));
    } else {
        builder.format(|out, record| {
            writeln!(out, "{} {}", out.timestamp_millis(), plain_line(&record.args().to_string()))
        });
    }
    builder.init();
}
