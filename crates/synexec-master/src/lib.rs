//! The program `synexec_master`. It is a library so that the man page can be made from its command line.

mod check;
mod conf_file;
mod connections;
mod discovery;
mod dispatcher;
mod display;
mod failure;
mod name_pattern;
pub mod options;
mod output_lines;
mod outputs;
mod plain_text;
mod report;
mod rivals;
mod session_run;
mod summary;
mod units;
mod verdict;

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use synexec_host::descriptors::Inherited;
use synexec_host::exit::ExitStatus;
use synexec_host::{key_file, logging, signals};

use conf_file::ConfFile;
use display::Screen;
use failure::Failure;
use options::Options;
use session_run::run_session;

/// Runs the program as its command line says.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let screen = Screen::new(!options.common.quiet && !options.common.daemon && options.check.is_none());
    logging::start(&options.common, Some(Box::new(screen.clone())));
    let status = run(&options, &screen).unwrap_or_else(|failure| {
        screen.clear();
        log::error!("synexec_master: {failure}");
        failure.status()
    });
    status.into()
}

fn run(options: &Options, screen: &Screen) -> Result<ExitStatus, Failure> {
    signals::reset().map_err(Failure::SetUpSignals)?;
    let inherited = if options.common.daemon { Inherited::find() } else { Ok(Inherited::default()) };
    let inherited = inherited.map_err(Failure::Descriptors)?;
    if let Some(path) = &options.new_key {
        return make_key(path);
    }
    options.check_quorum()?;
    let variables = options.variables()?;
    let key = options.common.key()?.map(Arc::new);
    let conf = ConfFile::open(options.conf())?;
    for warning in check::warnings(&conf) {
        log::warn!("{}: {warning}", options.conf().display());
    }
    if options.check.is_some() {
        return print(&check::show(options.conf(), &conf, &variables));
    }
    run_session(options, conf, variables, key, screen, inherited)
}

fn make_key(path: &Path) -> Result<ExitStatus, Failure> {
    key_file::create(path)?;
    let text = format!(
        "{}: new key; copy this file to the host of every slave, let only its user read it (mode 600), and give it to \
         both programs with --key-file\n",
        path.display()
    );
    print(&text)
}

/// Prints a text that is all the user asked for. It is no error if the reader of stdout has gone away.
fn print(text: &str) -> Result<ExitStatus, Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Stdout(error)),
        _ => Ok(ExitStatus::Success),
    }
}
