//! One session, from the options to the reports.

use std::path::Path;
use std::sync::Arc;

use synexec_host::clock::wall_clock_now;
use synexec_host::descriptors::Inherited;
use synexec_host::exit::ExitStatus;
use synexec_host::host_name::host_name;
use synexec_host::interfaces::Scope;
use synexec_host::{daemon, limits, random, signals};
use synexec_proto::secure::Key;
use synexec_proto::time::WallClockTime;
use synexec_proto::variables::Variables;
use synexec_session::master::{SlaveNames, TokenSeed};

use crate::conf_file::ConfFile;
use crate::connections::Listeners;
use crate::discovery::Discovery;
use crate::dispatcher::{Dispatcher, Resources};
use crate::display::{ConfProgress, DisplayOptions, Screen};
use crate::failure::Failure;
use crate::name_pattern::{PatternError, unfold};
use crate::options::{Options, TAIL};
use crate::outputs::{Destination, Kept, OutputDirError, Store};
use crate::report::{self, Document, ReportFiles};
use crate::summary;
use crate::verdict;

/// Runs the session, prints the results, and writes the reports.
///
/// # Errors
/// [`Failure`]: the user asked for something impossible, or this host failed.
pub fn run_session(
    options: &Options,
    conf: ConfFile,
    variables: Variables,
    key: Option<Arc<Key>>,
    screen: &Screen,
    inherited: Inherited,
) -> Result<ExitStatus, Failure> {
    // Everything that can fail early is tried before the program moves into the background.
    let files = ReportFiles::open(options.json.as_deref(), options.csv.as_deref(), options.html.as_deref())?;
    let resources = open_resources(options, &conf, key, screen)?;
    if options.common.daemon {
        // The daemon waits for the interface. Its user may have misspelt the name, and does not read the log yet.
        options.common.scope().tell_missing();
    }
    let into_background = || daemon::into_background(options.common.log_file("synexec_master"), inherited);
    let log_file = options.common.daemon.then(into_background).transpose()?;
    let signals = signals::block(log_file).map_err(Failure::BlockSignals)?;
    limits::raise_open_files();
    let about = SessionFacts::new(options, &conf, &variables);
    let (report, kept) = Dispatcher::new(options, conf, variables, resources, screen, signals)?.run()?;
    screen.clear();
    let document = about.document(options, &report, &kept);
    let printed = summary::print(&document, &kept, options).map_err(Failure::Results);
    files.write(&document)?;
    printed?;
    Ok(verdict::exit_status(report.verdict))
}

fn open_resources(
    options: &Options,
    conf: &ConfFile,
    key: Option<Arc<Key>>,
    screen: &Screen,
) -> Result<Resources, Failure> {
    // The program may have to wait for randomness. Ctrl-C still ends it here, and no file is left.
    let seed = TokenSeed::new(random::bytes().map_err(Failure::RandomNumbers)?);
    let names = SlaveNames::new(all_names(&options.expect)?, all_names(&options.exclude)?);
    let destination = destination(options, screen)?;
    let (scope, port) = (options.common.scope(), options.common.port);
    warn_without_key(key.as_deref(), &scope);
    let listeners = Listeners::open(scope, port).map_err(|why| Failure::Listen { port, why })?;
    let discovery = Discovery::new(options, key.clone(), listeners.port())?;
    let slaves = options.slaves().get();
    let quorum = options.quorum().unwrap_or(slaves);
    let display = DisplayOptions {
        slaves: usize::try_from(slaves).unwrap_or(usize::MAX),
        quorum: usize::try_from(quorum).unwrap_or(usize::MAX),
        expected: names.expected().map(str::to_owned).collect(),
        conf: ConfProgress { sent: conf.sent(), each: conf.length() },
        shows_progress: options.tells_progress(),
        is_separate: options.separate,
    };
    let tail = if options.html.is_some() { usize::try_from(TAIL).unwrap_or(0) } else { 0 };
    // Nothing else can fail early. A session that cannot begin leaves the earlier outputs alone.
    if let Destination::Files(store) = &destination
        && options.force
    {
        store.remove_earlier()?;
    }
    Ok(Resources { listeners, seed, key, discovery, names, display, destination, tail })
}

/// The names of all patterns.
fn all_names(patterns: &[String]) -> Result<Vec<String>, PatternError> {
    Ok(patterns.iter().map(|pattern| unfold(pattern)).collect::<Result<Vec<_>, _>>()?.concat())
}

/// Facts for the report that are known before the session, taken before the dispatcher owns the conf.
struct SessionFacts {
    began: WallClockTime,
    conf: report::ConfReport,
    asked: report::Asked,
}

impl SessionFacts {
    fn new(options: &Options, conf: &ConfFile, variables: &Variables) -> Self {
        let words = conf.command_line().words();
        let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let path = options.conf().display().to_string();
        Self {
            began: wall_clock_now(),
            conf: report::ConfReport::new(path, conf.length(), line, conf.payload_length()),
            asked: report::Asked {
                max_output_bytes: options.max_output(),
                separate: options.separate,
                ..report::Asked::new(options.slaves().get(), options.rounds())
                    .within(options.max_skew(), options.quorum(), options.timeout())
                    .with_variables(variables)
            },
        }
    }

    fn document(self, options: &Options, report: &synexec_session::master::Report, kept: &Kept) -> Document {
        let Self { began, conf, asked } = self;
        let session = options.common.session().0;
        report::build(report, report::Context { session, master: host_name(), conf, asked, began, kept })
    }
}

fn destination(options: &Options, screen: &Screen) -> Result<Destination, OutputDirError> {
    let directory: Option<&Path> = options.output.as_deref();
    Ok(match directory {
        _ if options.live => Destination::Terminal(screen.clone()),
        Some(directory) => Destination::Files(Store::open(directory, options.rounds(), options.force)?),
        None if options.gathers() => Destination::Files(Store::temporary(options.rounds())?),
        None => Destination::Nowhere,
    })
}

/// Warns that the session is not protected, if other hosts can reach the port and the user gave no key.
fn warn_without_key(key: Option<&Key>, scope: &Scope) {
    if key.is_none() && !scope.is_loopback() {
        log::warn!(
            "no key: everyone who can reach this port can join the session, and everyone on the network can read and \
             change its traffic; give both sides a key with --key-file (--new-key makes one); slaves that have \
             a key do not answer"
        );
    }
}
