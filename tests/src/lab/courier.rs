//! The thread that serves all delaying wires of a lab.
//!
//! It is one for all of them because it does not trust the last part of a wait to the kernel, which wakes it some
//! 200 us late on an idle virtual machine, but looks again and again: several such threads would take two cores from
//! each other, and from what is being tested.

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

/// How long before a frame is due the thread no longer sleeps.
const WATCH: Duration = Duration::from_micros(300);

/// Carries frames until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Courier {
    round: Mutex<Option<Round>>,
}

impl Courier {
    /// Serves these wires too.
    ///
    /// # Errors
    ///
    /// Where there can be no thread; then no wire is served any more.
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

/// The thread, while the wires stay the same.
#[derive(Debug)]
struct Round {
    /// Closing it is what the thread notices.
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
        // First what cannot wait. Frames that have come in can, as the kernel has stamped them.
        wires.iter_mut().for_each(Wire::deliver);
        // A wire breaks when its host goes.
        wires.retain_mut(|wire| wire.take().is_ok());
    }
    wires
}

/// Waits until there may be something to do; true when that is to stop.
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
