//! How threads tell their dispatcher, and how it waits for them.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
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

/// How far behind a dispatcher may fall before what is due comes before what happens.
const OVERDUE: Duration = Duration::from_millis(250);

/// What threads tell their dispatcher.
#[derive(Debug)]
pub struct Events<E> {
    receiver: Receiver<E>,
    /// How many may wait.
    most: usize,
    /// How many were taken since something is overdue.
    taken_overdue: usize,
}

/// A queue for so many events, and what they are put into it by.
pub fn queue<E>(most: usize) -> (SyncSender<E>, Events<E>) {
    let (sender, receiver) = sync_channel(most);
    (sender, Events { receiver, most, taken_overdue: 0 })
}

impl<E> Events<E> {
    /// The next event; none when the deadline has come first. What has already happened comes before what is due. When that
    /// is overdue, only what waits already does, so that a flood of events cannot put off every limit.
    ///
    /// # Errors
    /// [`ThreadsGone`].
    pub fn next(&mut self, deadline: Option<MonotonicInstant>) -> Result<Option<E>, ThreadsGone> {
        let now = monotonic_now();
        let is_overdue = deadline.is_some_and(|deadline| now.since(deadline) > OVERDUE);
        let event = match deadline {
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) if is_overdue && self.taken_overdue >= self.most => Err(RecvTimeoutError::Timeout),
            Some(deadline) => self.receiver.recv_timeout(deadline.since(now)),
        };
        self.taken_overdue = if is_overdue && event.is_ok() { self.taken_overdue + 1 } else { 0 };
        match event {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(ThreadsGone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_comes_before_what_is_due() {
        let (sender, mut events) = queue(4);
        sender.send(1).unwrap();
        let past = monotonic_now().minus(Duration::from_millis(1));
        assert_eq!(events.next(Some(past)).unwrap(), Some(1));
        assert_eq!(events.next(Some(past)).unwrap(), None);
    }

    #[test]
    fn what_is_overdue_waits_for_no_more_than_was_there() {
        let (sender, mut events) = queue(4);
        let long_past = monotonic_now().minus(OVERDUE * 4);
        for _ in 0..2 {
            for n in 0..4 {
                sender.send(n).unwrap();
                assert_eq!(events.next(Some(long_past)).unwrap(), Some(n));
            }
            sender.send(4).unwrap();
            assert_eq!(events.next(Some(long_past)).unwrap(), None);
            assert_eq!(events.next(Some(long_past)).unwrap(), Some(4));
            assert_eq!(events.next(Some(long_past)).unwrap(), None);
        }
    }
}
