//! SIGINT, SIGTERM and SIGHUP, delivered as events.

use std::io;
use std::sync::Arc;

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use synexec_session::interrupt::Interrupt;

use crate::exit::ExitStatus;

/// The signal that ends the program even if it is stuck: the third one.
const LAST_SIGNAL: usize = 3;

/// Signals that are blocked and waited for. They are blocked in this thread and in the threads that it starts.
#[derive(Debug, Clone, Copy)]
pub struct BlockedSignals(SigSet);

/// Restores the default action of SIGCHLD, in case the parent process ignored it: without it, children cannot be waited
/// for. Call this before anything else.
///
/// # Errors
/// The kernel refuses to set the action of the signal.
pub fn reset() -> io::Result<()> {
    // SAFETY: the default action runs no code of this program.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    Ok(())
}

/// Blocks SIGINT, SIGTERM and, unless SIGHUP is ignored as under nohup, SIGHUP. Call this before the first thread is
/// started.
///
/// # Errors
/// The kernel refuses to set the action of SIGHUP or to block the signals.
pub fn block() -> io::Result<BlockedSignals> {
    let mut signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    // SAFETY: the default action runs no code of this program.
    let inherited = unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }?;
    if matches!(inherited, SigHandler::SigIgn) {
        // SAFETY: ignoring a signal runs no code of this program.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
    } else {
        signals.add(Signal::SIGHUP);
    }
    signals.thread_block()?;
    Ok(BlockedSignals(signals))
}

impl BlockedSignals {
    /// Starts a thread that calls `deliver` for every signal. `deliver` may block until the program takes the signal.
    /// The third signal ends the program at once, even if the program is stuck, for instance in writing to a stopped
    /// terminal.
    ///
    /// # Errors
    /// The system cannot start another thread.
    pub fn forward(self, deliver: impl Fn(Interrupt) + Send + Sync + 'static) -> io::Result<()> {
        let deliver = Arc::new(deliver);
        let wait = move || {
            for count in 1.. {
                let interrupt = match self.0.wait() {
                    Ok(Signal::SIGINT) => Interrupt::Interrupt,
                    _ => Interrupt::Terminate,
                };
                if count >= LAST_SIGNAL {
                    std::process::exit(ExitStatus::Interrupted(interrupt).code().into());
                }
                hand_on(interrupt, &deliver);
            }
        };
        spawn(wait)
    }
}

/// Delivers a signal in a thread of its own. A `deliver` that blocks does not keep the caller from the next signal.
fn hand_on(interrupt: Interrupt, deliver: &Arc<impl Fn(Interrupt) + Send + Sync + 'static>) {
    let in_thread = Arc::clone(deliver);
    if spawn(move || in_thread(interrupt)).is_err() {
        deliver(interrupt);
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("signals".into()).spawn(run).map(|_| ())
}
