//! The queue of events between the threads of a program and its dispatcher.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use synexec_proto::time::MonotonicInstant;
use thiserror::Error;

use crate::clock::monotonic_now;

/// The error when no thread is left that could send an event.
#[derive(Debug, Error)]
#[error("all threads that send events have ended")]
pub struct ThreadsGone;

/// Delivers an event to the dispatcher. The event is dropped if the dispatcher is gone, because then the program ends.
pub fn deliver<E>(events: &SyncSender<E>, event: E) {
    let _ = events.send(event);
}

/// How long after a deadline the dispatcher counts as overdue.
const OVERDUE_AFTER: Duration = Duration::from_millis(250);

/// The dispatcher's end of the queue.
#[derive(Debug)]
pub struct Events<E> {
    receiver: Receiver<E>,
    /// Most events that wait in the queue.
    capacity: usize,
    /// Events received since the deadline became overdue.
    taken_overdue: usize,
}

/// A queue that holds at most `capacity` events, as a pair of its sending and its receiving end. A sender waits while
/// the queue is full.
pub fn queue<E>(capacity: usize) -> (SyncSender<E>, Events<E>) {
    let (sender, receiver) = sync_channel(capacity);
    (sender, Events { receiver, capacity, taken_overdue: 0 })
}

impl<E> Events<E> {
    /// Waits for the next event. Returns none when the deadline comes first. A queued event comes before a deadline
    /// that has passed. Once the deadline is overdue, at most as many events come first as the queue holds, so that a
    /// flood of events cannot postpone a deadline for ever.
    ///
    /// # Errors
    /// [`ThreadsGone`] when no sender is left.
    pub fn next(&mut self, deadline: Option<MonotonicInstant>) -> Result<Option<E>, ThreadsGone> {
        let now = monotonic_now();
        let is_overdue = deadline.is_some_and(|deadline| now.since(deadline) > OVERDUE_AFTER);
        let event = match deadline {
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) if is_overdue && self.taken_overdue >= self.capacity => Err(RecvTimeoutError::Timeout),
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
    fn a_queued_event_comes_before_a_deadline_that_has_passed() {
        let (sender, mut events) = queue(4);
        sender.send(1).unwrap();
        let past = monotonic_now().minus(Duration::from_millis(1));
        assert_eq!(events.next(Some(past)).unwrap(), Some(1));
        assert_eq!(events.next(Some(past)).unwrap(), None);
    }

    #[test]
    fn an_overdue_deadline_waits_for_no_more_events_than_the_queue_holds() {
        let (sender, mut events) = queue(4);
        let long_past = monotonic_now().minus(OVERDUE_AFTER * 4);
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
