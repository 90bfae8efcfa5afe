//! The program `synexec_master`, as a library so that its manual can be made from its command line.

mod check;
mod conf_file;
mod connections;
mod discovery;
mod dispatcher;
mod display;
mod name_pattern;
pub mod options;
mod outputs;
mod plain_text;
mod report;
mod session_run;
mod summary;
mod units;

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use synexec_host::exit::ExitStatus;
use synexec_host::interfaces::InterfaceError;
use synexec_host::key_file::{self, KeyFileError};
use synexec_host::{logging, signals};

use conf_file::{ConfFile, ConfFileError};
use discovery::TargetError;
use display::Screen;
use name_pattern::PatternError;
use options::{Options, QuorumError};
use outputs::OutputDirError;
use report::ReportFileError;
use session_run::run_session;

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let screen = Screen::new(!options.common.quiet && !options.common.daemon && options.check.is_none());
    logging::start(&options.common, Some(Box::new(screen.clone())));
    let status = run(&options, &screen).unwrap_or_else(|error| {
        screen.clear();
        log::error!("synexec_master: {error:#}");
        status_of(&error)
    });
    status.into()
}

fn run(options: &Options, screen: &Screen) -> Result<ExitStatus> {
    signals::reset().context("cannot set up signals")?;
    if let Some(path) = &options.new_key {
        return make_key(path);
    }
    options.check_quorum()?;
    let key = options.common.key()?.map(Arc::new);
    let conf = ConfFile::open(options.conf())?;
    for warning in check::warnings(&conf) {
        log::warn!("{}: {warning}", options.conf().display());
    }
    if options.check.is_some() {
        return print(&check::show(options.conf(), &conf))
            .context("cannot write to stdout")
            .map(|()| ExitStatus::Success);
    }
    run_session(options, conf, key, screen)
}

fn make_key(path: &Path) -> Result<ExitStatus> {
    key_file::create(path)?;
    let text = format!(
        "{}: a new key; copy it to the host of every slave, for its user only to read (mode 600), and give it to both \
         programs with --key-file\n",
        path.display()
    );
    print(&text).context("cannot write to stdout").map(|()| ExitStatus::Success)
}

fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// What the user asked for cannot be had (2), or this host failed (7).
fn status_of(error: &anyhow::Error) -> ExitStatus {
    let usage = error.is::<ConfFileError>()
        || error.is::<KeyFileError>()
        || error.is::<QuorumError>()
        || error.is::<TargetError>()
        || error.is::<PatternError>()
        || error.is::<OutputDirError>()
        || matches!(error.downcast_ref(), Some(InterfaceError::Unknown { .. }))
        || matches!(error.downcast_ref(), Some(ReportFileError::Open { .. } | ReportFileError::Twice(_)));
    if usage { ExitStatus::Usage } else { ExitStatus::Host }
}
