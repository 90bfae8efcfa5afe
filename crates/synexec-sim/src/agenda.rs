//! Entries in the order of their instants; entries of one instant are in the order in which they were added.

use std::collections::BTreeMap;

use synexec_proto::time::MonotonicInstant;

/// Entries that wait for their instants.
#[derive(Debug)]
pub struct Agenda<T> {
    entries: BTreeMap<Ticket, T>,
    next: u64,
}

/// The place of an entry in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    at: MonotonicInstant,
    order: u64,
}

impl<T> Agenda<T> {
    /// No entries.
    pub fn new() -> Self {
        Self { entries: BTreeMap::new(), next: 0 }
    }

    /// Adds an entry.
    pub fn add(&mut self, at: MonotonicInstant, entry: T) {
        self.entries.insert(Ticket { at, order: self.next }, entry);
        self.next += 1;
    }

    /// Adds an entry that was taken once more, for a later instant; entries added after it do not pass it.
    pub fn put_off(&mut self, ticket: Ticket, until: MonotonicInstant, entry: T) {
        self.entries.insert(Ticket { at: until, ..ticket }, entry);
    }

    /// The instant of the first entry.
    pub fn next_at(&self) -> Option<MonotonicInstant> {
        self.entries.first_key_value().map(|(ticket, _)| ticket.at)
    }

    /// Takes the first entry.
    pub fn pop(&mut self) -> Option<(Ticket, T)> {
        self.entries.pop_first()
    }
}
