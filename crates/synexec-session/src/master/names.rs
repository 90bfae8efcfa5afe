//! The names of the slaves that the user expects or excludes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The names of the slaves that the user expects or excludes. An original slave, which tells no name, has its address as
/// its name.
#[derive(Debug, Clone, Default)]
pub struct SlaveNames {
    expected: Arc<HashMap<String, Expected>>,
    excluded: Arc<HashSet<String>>,
    /// How many slaves are expected.
    count: usize,
}

/// An expected name.
#[derive(Debug)]
struct Expected {
    /// Place of the name in the user's list.
    place: usize,
    /// How many slaves of this name are expected.
    times: usize,
}

impl SlaveNames {
    /// The names of the slaves that the user expects, in the user's order, and of those that the user excludes. A name that
    /// is in both lists is excluded. A name that is expected several times stands for as many slaves.
    pub fn new(expected: Vec<String>, excluded: Vec<String>) -> Self {
        let excluded: HashSet<_> = excluded.into_iter().collect();
        let mut names: HashMap<_, Expected> = HashMap::with_capacity(expected.len());
        let wanted = expected.into_iter().filter(|name| !excluded.contains(name));
        for (place, name) in wanted.enumerate() {
            names.entry(name).or_insert(Expected { place, times: 0 }).times += 1;
        }
        let count = names.values().map(|expected| expected.times).sum();
        Self { expected: Arc::new(names), excluded: Arc::new(excluded), count }
    }

    /// The names of the expected slaves, each once and in no order.
    pub fn expected(&self) -> impl Iterator<Item = &str> {
        self.expected.keys().map(String::as_str)
    }

    /// The place of a name in the user's list of expected slaves.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.expected.get(name).map(|expected| expected.place)
    }

    /// How many slaves of a name are expected.
    pub(super) fn times(&self, name: &str) -> usize {
        self.expected.get(name).map_or(0, |expected| expected.times)
    }

    /// How many slaves are expected.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether the user excludes the slaves of a name.
    pub(super) fn excludes(&self, name: &str) -> bool {
        self.excluded.contains(name)
    }
}
