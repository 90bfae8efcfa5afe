//! The program `synexec_slave`. It is a library so that its man page can be made from its command line.

mod candidates;
mod conf_store;
mod dispatcher;
mod failure;
mod invitations;
mod listener;
mod master_link;
mod network;
pub mod options;
mod output;
mod output_file;
mod reserve;
mod runner;
mod shortage;
mod slave_log;
mod stale_files;
mod streams;
mod task;
mod task_files;
mod work_dir;
mod work_dir_lock;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use synexec_host::descriptors::Inherited;
use synexec_host::exit::ExitStatus;
use synexec_host::identity::{Identity, user_name};
use synexec_host::process::{adopt_orphans, keeper};
use synexec_host::{daemon, logging, signals};

use dispatcher::Dispatcher;
use failure::Failure;
use listener::Listener;
use network::Network;
use options::Options;
use work_dir::WorkDir;

/// Reads the command line, and serves masters as it says.
pub fn main() -> ExitCode {
    let options = Options::parse();
    logging::start(&options.common, None);
    let status = run(&options).unwrap_or_else(|failure| {
        log::error!("synexec_slave: {failure}");
        failure.status()
    });
    status.into()
}

fn run(options: &Options) -> Result<ExitStatus, Failure> {
    signals::reset().map_err(Failure::SetUpSignals)?;
    let inherited = Inherited::find().map_err(Failure::Descriptors)?;
    let has_key = options.common.key()?.is_some();
    if options.common.port == 0 {
        return Err(Failure::PortZero);
    }
    let listener = listen(options)?;
    let tasks_user = options.user.as_deref().map(Identity::find).transpose()?;
    let work_dir = WorkDir::open(&options.work_dir, tasks_user)?;
    if !has_key && !options.stays_on_loopback() {
        warn_of_missing_key(&work_dir);
    }
    if options.common.daemon {
        // The daemon waits for the interface. Its user may have misspelt the name, and does not read the log yet.
        options.common.scope().tell_missing();
    }
    let into_background = || daemon::into_background(options.common.log_file("synexec_slave"), inherited);
    let log_file = options.common.daemon.then(into_background).transpose()?;
    if !options.keeps_orphans() {
        keeper::start(&work_dir.payload_remover()).map_err(Failure::StartKeeper)?;
    }
    // The keeper has a copy of this process's memory, so the key is read after its start.
    let key = options.common.key()?.map(Arc::new);
    let signals = signals::block(log_file).map_err(Failure::BlockSignals)?;
    adopt_orphans().map_err(Failure::AdoptOrphans)?;
    let network = Network::new(options, key, listener);
    Dispatcher::new(options, network, work_dir, signals)?.run()
}

/// A listener for a slave that waits for probes. Its socket is open if the interface is there, so that errors show
/// early.
fn listen(options: &Options) -> Result<Listener, Failure> {
    let port = options.common.port;
    let mut listener = Listener::new(options.common.scope(), port);
    if options.master.is_none() {
        listener.open().map_err(|why| Failure::Listen { port, why })?;
    }
    Ok(listener)
}

fn warn_of_missing_key(work_dir: &WorkDir) {
    log::warn!(
        "no key: any master that reaches this host can run any program here as {}; give both sides the same key with --key-file",
        work_dir.tasks_user().map_or_else(user_name, |user| user.name().to_owned())
    );
}
