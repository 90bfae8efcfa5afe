//! SIGINT, SIGTERM and SIGHUP, delivered as events. SIGHUP makes a daemon open its log file anew.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use synexec_session::interrupt::Interrupt;

use crate::daemon::LogFile;
use crate::exit::ExitStatus;

/// The signal that ends the program even if it is stuck: the third one. The program takes the first two.
const LAST_SIGNAL: usize = 3;

/// The signal that ends a program that takes no more signals, counted from the moment when it takes no more.
const LAST_UNTAKEN: usize = 2;

/// The number of signals so far, and the number of the signal that ends the program at once.
#[derive(Debug)]
struct Tally {
    count: usize,
    last: usize,
}

impl Tally {
    fn new() -> Self {
        Self { count: 0, last: LAST_SIGNAL }
    }

    /// Counts a signal; returns whether it ends the program.
    fn add(&mut self) -> bool {
        self.count += 1;
        self.count >= self.last
    }

    /// Earlier signals were meant for what is over now, so they do not count any more.
    fn take_no_more(&mut self) {
        self.last = self.count + LAST_UNTAKEN;
    }
}

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
    tally: Arc<Mutex<Tally>>,
}

impl Forwarding {
    /// The program takes no more signals, so the second one from now on ends it at once.
    pub fn take_no_more(&self) {
        lock(&self.tally).take_no_more();
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (deliver, tally) = (Arc::new(deliver), Arc::new(Mutex::new(Tally::new())));
        let forwarding = Forwarding { tally: Arc::clone(&tally) };
        let wait = move || {
            loop {
                let interrupt = match (self.signals.wait(), &self.log) {
                    (Ok(Signal::SIGHUP), Some(log)) => {
                        reopen(log);
                        continue;
                    }
                    (Ok(Signal::SIGINT), _) => Interrupt::Interrupt,
                    _ => Interrupt::Terminate,
                };
                if lock(&tally).add() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_signal_ends_a_program_that_takes_signals() {
        let mut tally = Tally::new();
        assert_eq!([(); 3].map(|()| tally.add()), [false, false, true]);
    }

    #[test]
    fn a_signal_just_after_the_end_of_the_session_does_not_end_the_program() {
        for earlier in 0..LAST_SIGNAL {
            let mut tally = Tally::new();
            for _ in 0..earlier {
                assert!(!tally.add());
            }
            tally.take_no_more();
            assert_eq!([(); 2].map(|()| tally.add()), [false, true]);
        }
    }
}
