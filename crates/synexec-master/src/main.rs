//! `synexec_master`: finds N slaves, hands each the task, starts it on all of them, and tells what happened.

mod conf_file;
mod connections;
mod discovery;
mod dispatcher;
mod options;
mod progress;
mod table;

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use synexec_host::exit::ExitStatus;
use synexec_host::interfaces::{self, Interface, InterfaceError};
use synexec_host::{daemon, limits, logging, signals};
use synexec_proto::transport;

use conf_file::{ConfFile, ConfFileError};
use discovery::{Discovery, TargetError};
use dispatcher::Dispatcher;
use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    logging::start(options.common.quiet, options.common.verbose);
    let status = run(&options).unwrap_or_else(|error| {
        log::error!("synexec_master: {error:#}");
        status_of(&error)
    });
    status.into()
}

fn run(options: &Options) -> Result<ExitStatus> {
    signals::reset().context("cannot set up signals")?;
    let conf = ConfFile::open(&options.conf)?;
    let interface = options.common.interface.as_deref().map(interfaces::find).transpose()?;
    let listener = listen(options, interface.as_ref())?;
    let port = listener.local_addr().context("cannot tell the listening port")?.port();
    let discovery = Discovery::new(options, interface, port)?;
    if options.common.daemon {
        let path = options.common.log_file.clone().unwrap_or_else(|| daemon::default_log_file("synexec_master"));
        daemon::into_background(&daemon::open_log(&path)?)?;
    }
    let signals = signals::block().context("cannot block signals")?;
    limits::raise_open_files();
    let report = Dispatcher::new(options, conf, discovery, listener, signals)?.run()?;
    table::print(&report).context("cannot write the table")?;
    Ok(report.verdict.into())
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
        || matches!(error.downcast_ref(), Some(InterfaceError::Unknown { .. }));
    if usage { ExitStatus::Usage } else { ExitStatus::Host }
}
