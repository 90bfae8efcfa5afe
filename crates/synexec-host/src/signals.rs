//! SIGINT and SIGTERM as events.

use std::io;

use nix::sys::signal::{SigSet, Signal};
use synexec_proto::master::Interrupt;

/// Signals that are waited for and not acted on; in force for this thread and those that it starts.
#[derive(Debug, Clone, Copy)]
pub struct BlockedSignals(SigSet);

/// Blocks SIGINT and SIGTERM. To be called before the first thread is started.
///
/// # Errors
/// That of the system call.
pub fn block() -> io::Result<BlockedSignals> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    Ok(BlockedSignals(signals))
}

impl BlockedSignals {
    /// Starts a thread that hands on every signal until the receiver wants no more.
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn forward(self, mut on_signal: impl FnMut(Interrupt) -> bool + Send + 'static) -> io::Result<()> {
        let wait = move || {
            while let Ok(signal) = self.0.wait() {
                let interrupt = if signal == Signal::SIGINT { Interrupt::Interrupt } else { Interrupt::Terminate };
                if !on_signal(interrupt) {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(wait).map(|_| ())
    }
}
