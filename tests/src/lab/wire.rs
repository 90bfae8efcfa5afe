//! A wire with a delay: a frame that comes in at one end leaves at the other after the delay, in order.

use std::collections::VecDeque;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};

use super::Namespace;
use super::tap::{Frame, Tap};

/// Largest number of frames under way in one direction. Further frames are lost. This is some 12 MB, or 50 ms at 2
/// Gbit/s.
const CAPACITY: usize = 8192;

/// Number of frames that are read before the next look for due frames.
const BURST: usize = 32;

/// A wire between two interfaces. It does nothing by itself.
#[derive(Debug)]
pub(super) struct Wire {
    lanes: [Lane; 2],
}

impl Wire {
    /// Makes a wire between these interfaces of the namespace.
    pub(super) fn new(inside: &Namespace, [near, far]: [&str; 2], delay: Duration) -> Result<Self> {
        let taps = inside.enter(|| Ok::<_, Error>((Tap::new(near)?, Tap::new(far)?)))?;
        let (near, far) = (Arc::new(taps.0), Arc::new(taps.1));
        let there = Lane::new(Arc::clone(&near), Arc::clone(&far), delay);
        Ok(Self { lanes: [there, Lane::new(far, near, delay)] })
    }

    /// The file descriptors to wait for.
    pub(super) fn taps(&self) -> [BorrowedFd<'_>; 2] {
        self.lanes.each_ref().map(|lane| lane.from.as_fd())
    }

    /// The time at which the next frame leaves.
    pub(super) fn due(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(Lane::due).min()
    }

    /// Sends the due frames.
    pub(super) fn deliver(&mut self) {
        self.lanes.iter_mut().for_each(Lane::deliver);
    }

    /// Reads some of the frames that have arrived.
    pub(super) fn take(&mut self) -> nix::Result<()> {
        self.lanes.iter_mut().try_for_each(Lane::take)
    }
}

/// One direction of a wire.
#[derive(Debug)]
struct Lane {
    from: Arc<Tap>,
    to: Arc<Tap>,
    delay: Duration,
    /// The frames under way, oldest first.
    under_way: VecDeque<Frame>,
}

impl Lane {
    fn new(from: Arc<Tap>, to: Arc<Tap>, delay: Duration) -> Self {
        Self { from, to, delay, under_way: VecDeque::new() }
    }

    fn due(&self) -> Option<Instant> {
        self.under_way.front().map(|frame| frame.arrived + self.delay)
    }

    fn deliver(&mut self) {
        while self.due().is_some_and(|due| due <= Instant::now()) {
            self.under_way.pop_front().inspect(|frame| self.to.send(frame));
        }
    }

    fn take(&mut self) -> nix::Result<()> {
        for _ in 0..BURST {
            let Some(frame) = self.from.receive()? else { break };
            if self.under_way.len() < CAPACITY {
                self.under_way.push_back(frame);
            }
        }
        Ok(())
    }
}
