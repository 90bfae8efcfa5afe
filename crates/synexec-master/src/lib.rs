//! The program `synexec_master`, as a library so that its manual can be made from its command line.

mod check;
mod conf_file;
mod connections;
mod discovery;
mod dispatcher;
mod display;
mod names;
pub mod options;
mod outputs;
mod plain_text;
mod report;
mod summary;
mod units;

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use synexec_host::clock::wall_clock_now;
use synexec_host::exit::ExitStatus;
use synexec_host::interfaces::{self, Interface, InterfaceError};
use synexec_host::names::host_name;
use synexec_host::{daemon, limits, logging, signals};
use synexec_proto::transport;

use conf_file::{ConfFile, ConfFileError};
use discovery::{Discovery, TargetError};
use dispatcher::{Dispatcher, Surroundings};
use display::{ConfProgress, Display, Screen};
use names::PatternError;
use options::{Options, TAIL};
use outputs::{Destination, OutputDirError, Store};
use report::{ReportFileError, ReportFiles};

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
    let conf = ConfFile::open(options.conf())?;
    for warning in check::warnings(&conf) {
        log::warn!("{}: {warning}", options.conf().display());
    }
    if options.check.is_some() {
        return print(&check::show(options.conf(), &conf))
            .context("cannot write to stdout")
            .map(|()| ExitStatus::Success);
    }
    run_session(options, conf, screen)
}

fn run_session(options: &Options, conf: ConfFile, screen: &Screen) -> Result<ExitStatus> {
    let expected = options.expect.iter().map(|pattern| names::unfold(pattern)).collect::<Result<Vec<_>, _>>()?.concat();
    let interface = options.common.interface.as_deref().map(interfaces::find).transpose()?;
    let files = ReportFiles::open(options.json.as_deref(), options.csv.as_deref(), options.html.as_deref())?;
    let destination = destination(options, screen)?;
    let listener = listen(options, interface.as_ref())?;
    let port = listener.local_addr().context("cannot tell the listening port")?.port();
    let discovery = Discovery::new(options, interface, port)?;
    if options.common.daemon {
        let path = options.common.log_file.clone().unwrap_or_else(|| daemon::default_log_file("synexec_master"));
        daemon::into_background(&daemon::open_log(&path)?)?;
    }
    let signals = signals::block().context("cannot block signals")?;
    limits::raise_open_files();
    let (began, about) = (wall_clock_now(), About::new(options, &conf));
    let slaves = usize::try_from(options.slaves().get()).unwrap_or(usize::MAX);
    let progress =
        ConfProgress { sent: conf.sent(), total: conf.length().saturating_mul(options.slaves().get().into()) };
    let wanted =
        display::Wanted { slaves, expected, conf: progress, progress: options.settings(&conf).progress.is_some() };
    let display = Display::new(screen, wanted);
    let tail = if options.html.is_some() { usize::try_from(TAIL).unwrap_or(0) } else { 0 };
    let surroundings = Surroundings { listener, discovery, display, destination, tail };
    let (report, kept) = Dispatcher::new(options, conf, surroundings, signals)?.run()?;
    screen.clear();
    let context = report::Context {
        session: options.common.session().0,
        master: host_name(),
        conf: about.conf,
        asked: about.asked,
        began,
        kept: &kept,
    };
    let document = report::build(&report, context);
    let printed = summary::print(&document, &kept, options).context("cannot write the results to stdout");
    files.write(&document)?;
    printed?;
    Ok(report.verdict.into())
}

/// What a report says of the job, kept before the conf is given away.
struct About {
    conf: report::Conf,
    asked: report::Asked,
}

impl About {
    fn new(options: &Options, conf: &ConfFile) -> Self {
        let words = conf.command_line().words();
        let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let path = options.conf().display().to_string();
        Self {
            conf: report::Conf::new(path, conf.length(), line, conf.payload_length()),
            asked: report::Asked::new(options.slaves().get(), options.rounds(), options.max_skew()),
        }
    }
}

fn destination(options: &Options, screen: &Screen) -> Result<Destination, OutputDirError> {
    Ok(match &options.output {
        _ if options.live => Destination::Stdout(screen.clone()),
        Some(directory) => Destination::Files(Store::open(directory, options.rounds())?),
        None if options.gathers() => Destination::Files(Store::temporary(options.rounds())?),
        None => Destination::Nowhere,
    })
}

fn print(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn listen(options: &Options, interface: Option<&Interface>) -> Result<TcpListener> {
    let address = interface.map_or(Ipv4Addr::UNSPECIFIED, |interface| interface.address);
    let port = options.common.port;
    let listener = transport::listen(address, port).with_context(|| {
        format!("cannot listen on TCP port {port}; is another master running? (choose with --port)")
    })?;
    log::debug!("listening on {}", listener.local_addr().context("cannot tell the listening port")?);
    Ok(listener)
}

/// What the user asked for cannot be had (2), or this host failed (7).
fn status_of(error: &anyhow::Error) -> ExitStatus {
    let usage = error.is::<ConfFileError>()
        || error.is::<TargetError>()
        || error.is::<PatternError>()
        || error.is::<OutputDirError>()
        || matches!(error.downcast_ref(), Some(InterfaceError::Unknown { .. }))
        || matches!(error.downcast_ref(), Some(ReportFileError::Open { .. } | ReportFileError::Twice(_)));
    if usage { ExitStatus::Usage } else { ExitStatus::Host }
}
