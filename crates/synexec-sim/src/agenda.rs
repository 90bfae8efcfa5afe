//! What is going to happen, in the order of time, and in the order of entry where time is the same.

use std::collections::BTreeMap;

use synexec_proto::time::MonotonicInstant;

#[derive(Debug)]
pub struct Agenda<T> {
    entries: BTreeMap<Ticket, T>,
    next: u64,
}

/// An entry's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    pub at: MonotonicInstant,
    order: u64,
}

impl<T> Agenda<T> {
    pub fn new() -> Self {
        Self { entries: BTreeMap::new(), next: 0 }
    }

    pub fn add(&mut self, at: MonotonicInstant, entry: T) {
        self.entries.insert(Ticket { at, order: self.next }, entry);
        self.next += 1;
    }

    /// Puts an entry off, without letting a later one pass it.
    pub fn put_off(&mut self, ticket: Ticket, until: MonotonicInstant, entry: T) {
        self.entries.insert(Ticket { at: until, ..ticket }, entry);
    }

    pub fn next_at(&self) -> Option<MonotonicInstant> {
        self.entries.first_key_value().map(|(ticket, _)| ticket.at)
    }

    pub fn pop(&mut self) -> Option<(Ticket, T)> {
        self.entries.pop_first()
    }
}
