//! The thread that serves all delaying wires of a lab.
//!
//! One thread serves all wires, because it does not sleep through the last part of a wait: the kernel of an idle
//! virtual machine wakes a thread some 200 us late. The thread polls instead, and several such threads would take two
//! cores from each other and from the tested programs.

use std::io::{self, PipeReader, PipeWriter};
use std::iter;
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl::set_timerslack;
use nix::sys::time::TimeSpec;

use super::wire::Wire;

/// Time before a due frame in which the thread does not sleep.
const WATCH: Duration = Duration::from_micros(300);

/// The handle of the thread. The thread carries frames until the handle is dropped.
#[derive(Debug, Default)]
pub(super) struct Courier {
    round: Mutex<Option<Round>>,
}

impl Courier {
    /// Adds these wires.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started. Then no wire is served any more.
    pub(super) fn serve(&self, wires: Vec<Wire>) -> Result<()> {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = round.take().map(Round::stop).unwrap_or_default();
        all.extend(wires);
        *round = Some(Round::start(all)?);
        Ok(())
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        let round = self.round.get_mut().unwrap_or_else(PoisonError::into_inner);
        round.take().map(Round::stop);
    }
}

/// The running thread, for one set of wires.
#[derive(Debug)]
struct Round {
    /// The thread stops when this end of the pipe is closed.
    going_on: PipeWriter,
    thread: JoinHandle<Vec<Wire>>,
}

impl Round {
    fn start(wires: Vec<Wire>) -> Result<Self> {
        let (stopped, going_on) = io::pipe()?;
        let thread = thread::Builder::new().name("courier".to_owned());
        let thread = thread.spawn(move || carry(wires, &stopped)).context("no thread for the wires")?;
        Ok(Self { going_on, thread })
    }

    /// Frames that are under way stay in their wires.
    fn stop(self) -> Vec<Wire> {
        drop(self.going_on);
        self.thread.join().unwrap_or_default()
    }
}

fn carry(mut wires: Vec<Wire>, stopped: &PipeReader) -> Vec<Wire> {
    let _ = set_timerslack(1);
    while !wait(&wires, stopped) {
        // Due frames go first. Arrived frames can wait, because the kernel has stamped them.
        wires.iter_mut().for_each(Wire::deliver);
        // A wire breaks when its host is removed.
        wires.retain_mut(|wire| wire.take().is_ok());
    }
    wires
}

/// Waits until there may be something to do. Returns true if the thread must stop.
fn wait(wires: &[Wire], stopped: &PipeReader) -> bool {
    let taps = wires.iter().flat_map(Wire::taps);
    let fds = iter::once(stopped.as_fd()).chain(taps);
    let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let due = wires.iter().filter_map(Wire::due).min();
    let left = due.map(|due| due.saturating_duration_since(Instant::now()).saturating_sub(WATCH));
    match ppoll(&mut fds, left.map(TimeSpec::from), None) {
        Ok(_) => fds[0].any() != Some(false),
        Err(errno) => errno != Errno::EINTR,
    }
}
