//! Deadlines of many, of which the earliest is found without looking at all.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// For each key at most one time. Every operation takes logarithmic time.
#[derive(Debug)]
pub(super) struct Timetable<K, T> {
    times: HashMap<K, T>,
    ordered: BTreeSet<(T, K)>,
}

impl<K, T> Default for Timetable<K, T> {
    fn default() -> Self {
        Self { times: HashMap::new(), ordered: BTreeSet::new() }
    }
}

impl<K: Copy + Ord + Hash, T: Copy + Ord> Timetable<K, T> {
    /// Sets the time of a key, or removes it.
    pub(super) fn set(&mut self, key: K, time: Option<T>) {
        let before = match time {
            Some(time) => self.times.insert(key, time),
            None => self.times.remove(&key),
        };
        if before == time {
            return;
        }
        if let Some(before) = before {
            self.ordered.remove(&(before, key));
        }
        self.ordered.extend(time.map(|time| (time, key)));
    }

    /// The earliest time.
    pub(super) fn earliest(&self) -> Option<T> {
        self.ordered.first().map(|(time, _)| *time)
    }

    /// The key with the earliest time, if that time has come.
    pub(super) fn next_due(&self, now: T) -> Option<K> {
        self.ordered.first().filter(|(time, _)| *time <= now).map(|(_, key)| *key)
    }

    /// The keys whose time has come, in the order of the keys.
    pub(super) fn due(&self, now: T) -> Vec<K> {
        let mut due: Vec<_> = self.ordered.iter().take_while(|(time, _)| *time <= now).map(|(_, key)| *key).collect();
        due.sort_unstable();
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_what_is_due_comes_by_key() {
        let mut table = Timetable::default();
        for (key, time) in [(1, 30), (2, 10), (3, 20)] {
            table.set(key, Some(time));
        }
        assert_eq!((table.earliest(), table.next_due(9), table.next_due(10)), (Some(10), None, Some(2)));
        table.set(2, Some(40));
        assert_eq!((table.earliest(), table.due(30)), (Some(20), vec![1, 3]));
        table.set(3, None);
        table.set(3, None);
        assert_eq!((table.earliest(), table.due(100)), (Some(30), vec![1, 2]));
        table.set(1, Some(30));
        assert_eq!(table.due(30), [1]);
    }
}
