//! The program `synexec_slave`, as a library so that its manual can be made from its command line.

mod conf_store;
mod dispatcher;
mod invitations;
mod network;
pub mod options;
mod output;
mod output_file;
mod slave_log;
mod task;
mod work_dir;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use synexec_host::exit::ExitStatus;
use synexec_host::identity::{Identity, IdentityError, user_name};
use synexec_host::interfaces::{self, Interface, InterfaceError};
use synexec_host::key_file::KeyFileError;
use synexec_host::process::{adopt_orphans, keeper};
use synexec_host::{daemon, descriptors, logging, signals};
use synexec_proto::transport::ProbeListener;

use dispatcher::Dispatcher;
use network::Network;
use options::Options;
use work_dir::{WorkDir, WorkDirError};

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let options = Options::parse();
    logging::start(&options.common, None);
    let status = run(&options).unwrap_or_else(|error| {
        log::error!("synexec_slave: {error:#}");
        status_of(&error)
    });
    status.into()
}

fn run(options: &Options) -> Result<ExitStatus> {
    signals::reset().context("cannot set up signals")?;
    descriptors::keep_from_tasks().context("cannot see which descriptors are open; is /proc there?")?;
    let has_key = options.common.key()?.is_some();
    ensure!(options.common.port != 0, PortZero);
    let interface = options.common.interface.as_deref().map(interfaces::find).transpose()?;
    let listener = options.master.is_none().then(|| listen(options, interface.as_ref())).transpose()?;
    let tasks_user = options.user.as_deref().map(Identity::find).transpose()?;
    let work_dir = WorkDir::open(&options.work_dir, tasks_user)?;
    if !has_key && !options.stays_on_loopback(interface.as_ref()) {
        log::warn!(
            "no key: any master that reaches this host can run any program here as {}; give both sides one with --key-file",
            work_dir.tasks_user().map_or_else(user_name, |user| user.name().to_owned())
        );
    }
    if options.common.daemon {
        let path = options.common.log_file.clone().unwrap_or_else(|| daemon::default_log_file("synexec_slave"));
        daemon::into_background(&daemon::open_log(&path)?)?;
    }
    if !options.keeps_orphans() {
        keeper::start(&work_dir.payload_path()).context("cannot start a keeper of the tasks")?;
    }
    // Not before the keeper is there, which would have a copy of it.
    let key = options.common.key()?.map(Arc::new);
    let signals = signals::block().context("cannot block signals")?;
    adopt_orphans().context("cannot become the parent of what tasks leave")?;
    let network = Network::new(options, key, listener);
    Dispatcher::new(options, network, work_dir, signals)?.run()
}

fn listen(options: &Options, interface: Option<&Interface>) -> Result<ProbeListener> {
    let port = options.common.port;
    ProbeListener::bind(port, interface.map(|interface| interface.name.as_str()))
        .with_context(|| format!("cannot listen for probes on UDP port {port}; is another program using it?"))
}

#[derive(Debug, thiserror::Error)]
#[error("port 0 is no port that a master could be found at")]
struct PortZero;

/// What the user asked for cannot be had (2), or this host failed (7).
fn status_of(error: &anyhow::Error) -> ExitStatus {
    let usage = error.is::<PortZero>()
        || error.is::<KeyFileError>()
        || error.is::<WorkDirError>()
        || matches!(error.downcast_ref(), Some(IdentityError::Unknown(_) | IdentityError::NotRoot))
        || matches!(error.downcast_ref(), Some(InterfaceError::Unknown { .. }));
    if usage { ExitStatus::Usage } else { ExitStatus::Host }
}
