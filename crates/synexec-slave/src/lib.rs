//! The program `synexec_slave`. It is a library so that its man page can be made from its command line.

mod conf_store;
mod dispatcher;
mod failure;
mod invitations;
mod master_link;
mod network;
pub mod options;
mod output;
mod output_file;
mod reserve;
mod runner;
mod slave_log;
mod task;
mod task_files;
mod work_dir;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use synexec_host::exit::ExitStatus;
use synexec_host::identity::{Identity, user_name};
use synexec_host::interfaces::{self, Interface};
use synexec_host::process::{adopt_orphans, keeper};
use synexec_host::{daemon, descriptors, logging, signals};
use synexec_proto::transport::ProbeListener;

use dispatcher::Dispatcher;
use failure::Failure;
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
    descriptors::keep_from_tasks().map_err(Failure::Descriptors)?;
    let has_key = options.common.key()?.is_some();
    if options.common.port == 0 {
        return Err(Failure::PortZero);
    }
    let interface = options.common.interface.as_deref().map(interfaces::find).transpose()?;
    let listener = options.master.is_none().then(|| listen(options, interface.as_ref())).transpose()?;
    let tasks_user = options.user.as_deref().map(Identity::find).transpose()?;
    let work_dir = WorkDir::open(&options.work_dir, tasks_user)?;
    if !has_key && !options.stays_on_loopback(interface.as_ref()) {
        warn_of_missing_key(&work_dir);
    }
    if options.common.daemon {
        let path = options.common.log_file.clone().unwrap_or_else(|| daemon::default_log_file("synexec_slave"));
        daemon::into_background(&daemon::open_log(&path)?)?;
    }
    if !options.keeps_orphans() {
        keeper::start(&work_dir.payload_path()).map_err(Failure::StartKeeper)?;
    }
    // The keeper has a copy of this process's memory, so the key is read after its start.
    let key = options.common.key()?.map(Arc::new);
    let signals = signals::block().map_err(Failure::BlockSignals)?;
    adopt_orphans().map_err(Failure::AdoptOrphans)?;
    let network = Network::new(options, key, listener);
    Dispatcher::new(options, network, work_dir, signals)?.run()
}

fn listen(options: &Options, interface: Option<&Interface>) -> Result<ProbeListener, Failure> {
    let port = options.common.port;
    let bound = ProbeListener::bind(port, interface.map(|interface| interface.name.as_str()));
    bound.map_err(|why| Failure::Listen { port, why })
}

fn warn_of_missing_key(work_dir: &WorkDir) {
    log::warn!(
        "no key: any master that reaches this host can run any program here as {}; give both sides the same key with --key-file",
        work_dir.tasks_user().map_or_else(user_name, |user| user.name().to_owned())
    );
}
