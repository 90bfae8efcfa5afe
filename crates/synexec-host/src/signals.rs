//! SIGINT, SIGTERM and SIGHUP, delivered as events. SIGHUP makes a daemon open its log file anew.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use synexec_session::interrupt::Interrupt;

use crate::daemon::LogFile;
use crate::exit::ExitStatus;

/// The signal that ends the program even if it is stuck: the third one. The program takes the first two.
const LAST_SIGNAL: usize = 3;

/// The signal that ends a program that takes no more signals.
const LAST_UNTAKEN: usize = 2;

/// Signals that are blocked and waited for. They are blocked in this thread and in the threads that it starts.
#[derive(Debug)]
pub struct BlockedSignals {
    signals: SigSet,
    /// The log file of a daemon.
    log: Option<LogFile>,
}

/// The delivery of signals, which goes on until the program ends.
#[derive(Debug)]
pub struct Forwarding {
    /// The number of the signal that ends the program at once.
    last: Arc<AtomicUsize>,
}

impl Forwarding {
    /// The program takes no more signals, so the second one ends it at once.
    pub fn take_no_more(&self) {
        self.last.store(LAST_UNTAKEN, Ordering::Relaxed);
    }
}

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

/// Blocks SIGINT, SIGTERM and SIGHUP. A program without a log file, which is no daemon, leaves SIGHUP alone if SIGHUP is
/// ignored as under nohup. Call this before the first thread is started.
///
/// # Errors
/// The kernel refuses to set the action of SIGHUP or to block the signals.
pub fn block(log: Option<LogFile>) -> io::Result<BlockedSignals> {
    let mut signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    // SAFETY: the default action runs no code of this program.
    let inherited = unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }?;
    if matches!(inherited, SigHandler::SigIgn) && log.is_none() {
        // SAFETY: ignoring a signal runs no code of this program.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
    } else {
        signals.add(Signal::SIGHUP);
    }
    signals.thread_block()?;
    Ok(BlockedSignals { signals, log })
}

impl BlockedSignals {
    /// Starts a thread that calls `deliver` for every signal except the SIGHUP of a daemon, which opens the log file
    /// anew. `deliver` may block until the program takes the signal. The third signal ends the program at once, even if
    /// the program is stuck, for instance in writing to a stopped terminal.
    ///
    /// # Errors
    /// The system cannot start another thread.
    pub fn forward(self, deliver: impl Fn(Interrupt) + Send + Sync + 'static) -> io::Result<Forwarding> {
        let (deliver, last) = (Arc::new(deliver), Arc::new(AtomicUsize::new(LAST_SIGNAL)));
        let forwarding = Forwarding { last: Arc::clone(&last) };
        let wait = move || {
            let mut count = 0;
            loop {
                let interrupt = match (self.signals.wait(), &self.log) {
                    (Ok(Signal::SIGHUP), Some(log)) => {
                        reopen(log);
                        continue;
                    }
                    (Ok(Signal::SIGINT), _) => Interrupt::Interrupt,
                    _ => Interrupt::Terminate,
                };
                count += 1;
                if count >= last.load(Ordering::Relaxed) {
                    std::process::exit(ExitStatus::Interrupted(interrupt).code().into());
                }
                hand_on(interrupt, &deliver);
            }
        };
        spawn(wait).map(|()| forwarding)
    }
}

fn reopen(log: &LogFile) {
    match log.reopen() {
        Ok(()) => log::info!("SIGHUP: the log file is open anew"),
        Err(error) => log::error!("SIGHUP: the log stays in the old file: {error}"),
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
