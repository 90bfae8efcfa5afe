//! How a dispatcher waits for what its threads tell.

use std::sync::mpsc::{Receiver, RecvTimeoutError};

use synexec_proto::time::MonotonicInstant;
use thiserror::Error;

use crate::clock::monotonic_now;

/// All threads that could tell something have ended, which none does while the dispatcher runs.
#[derive(Debug, Error)]
#[error("all threads are gone")]
pub struct ThreadsGone;

/// The next event; none when the deadline has come first. What has already happened comes before what is due.
///
/// # Errors
/// [`ThreadsGone`].
pub fn next_event<E>(events: &Receiver<E>, deadline: Option<MonotonicInstant>) -> Result<Option<E>, ThreadsGone> {
    let event = match deadline {
        None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(deadline) => events.recv_timeout(deadline.since(monotonic_now())),
    };
    match event {
        Ok(event) => Ok(Some(event)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(ThreadsGone),
    }
}
