//! How threads tell their dispatcher, and how it waits for them.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use synexec_proto::time::MonotonicInstant;
use thiserror::Error;

use crate::clock::monotonic_now;

/// All threads that could tell something have ended, which none does while the dispatcher runs.
#[derive(Debug, Error)]
#[error("all threads are gone")]
pub struct ThreadsGone;

/// Tells the dispatcher. It is gone only when the program ends, and then nobody needs to know.
pub fn tell<E>(events: &SyncSender<E>, event: E) {
    let _ = events.send(event);
}

/// How far behind a dispatcher may fall before what is due comes before what has happened, so that a flood of events
/// cannot put off every limit.
const OVERDUE: Duration = Duration::from_millis(250);

/// The next event; none when the deadline has come first. What has already happened comes before what is due, unless that
/// is overdue.
///
/// # Errors
/// [`ThreadsGone`].
pub fn next_event<E>(events: &Receiver<E>, deadline: Option<MonotonicInstant>) -> Result<Option<E>, ThreadsGone> {
    let event = match deadline {
        None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(deadline) if monotonic_now().since(deadline) > OVERDUE => return Ok(None),
        Some(deadline) => events.recv_timeout(deadline.since(monotonic_now())),
    };
    match event {
        Ok(event) => Ok(Some(event)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(ThreadsGone),
    }
}
