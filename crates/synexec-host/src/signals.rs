//! SIGINT, SIGTERM and SIGHUP as events.

use std::io;
use std::sync::Arc;

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use synexec_session::interrupt::Interrupt;

use crate::exit::ExitStatus;

/// Signals after which the program ends, stuck or not.
const PATIENCE: usize = 3;

/// Signals that are waited for and not acted on; in force for this thread and those that it starts.
#[derive(Debug, Clone, Copy)]
pub struct BlockedSignals(SigSet);

/// Lets children be waited for, also where whoever started this program ignores SIGCHLD. To be called first of all.
///
/// # Errors
/// That of the system call.
pub fn reset() -> io::Result<()> {
    // SAFETY: the default action runs no code of ours.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    Ok(())
}

/// Blocks SIGINT, SIGTERM and, unless it is ignored as under nohup, SIGHUP. To be called before the first thread is
/// started.
///
/// # Errors
/// Those of the system calls.
pub fn block() -> io::Result<BlockedSignals> {
    let mut signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    // SAFETY: the default action runs no code of ours.
    let inherited = unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }?;
    if matches!(inherited, SigHandler::SigIgn) {
        // SAFETY: ignoring runs no code of ours.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
    } else {
        signals.add(Signal::SIGHUP);
    }
    signals.thread_block()?;
    Ok(BlockedSignals(signals))
}

impl BlockedSignals {
    /// Starts a thread that hands on every signal; `deliver` may wait until the program takes it. The third signal ends the
    /// program whatever else it does, as when it is stuck behind a terminal that was stopped.
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn forward(self, deliver: impl Fn(Interrupt) + Send + Sync + 'static) -> io::Result<()> {
        let deliver = Arc::new(deliver);
        let wait = move || {
            for count in 1.. {
                let interrupt = match self.0.wait() {
                    Ok(Signal::SIGINT) => Interrupt::Interrupt,
                    _ => Interrupt::Terminate,
                };
                if count >= PATIENCE {
                    std::process::exit(ExitStatus::Interrupted(interrupt).code().into());
                }
                hand_on(interrupt, &deliver);
            }
        };
        spawn(wait)
    }
}

/// Waits in a thread of its own, so that the next signal is not waited for in vain.
fn hand_on(interrupt: Interrupt, deliver: &Arc<impl Fn(Interrupt) + Send + Sync + 'static>) {
    let in_thread = Arc::clone(deliver);
    if spawn(move || in_thread(interrupt)).is_err() {
        deliver(interrupt);
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("signals".into()).spawn(run).map(|_| ())
}
