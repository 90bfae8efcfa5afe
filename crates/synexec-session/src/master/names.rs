//! The names of the slaves that the user expects or excludes.

use std::collections::HashMap;
use std::sync::Arc;

/// The names of the slaves that the user expects or excludes. An original slave, which tells no name, has its address as
/// its name.
#[derive(Debug, Clone, Default)]
pub struct SlaveNames {
    expected: Arc<HashMap<String, Expected>>,
}

/// An expected name.
#[derive(Debug)]
struct Expected {
    /// Place of the name in the user's list.
    place: usize,
}

impl SlaveNames {
    /// The names of the slaves that the user expects, in the user's order.
    pub fn new(expected: Vec<String>) -> Self {
        let mut names = HashMap::with_capacity(expected.len());
        for (place, name) in expected.into_iter().enumerate() {
            names.entry(name).or_insert(Expected { place });
        }
        Self { expected: Arc::new(names) }
    }

    /// The place of a name in the user's list of expected slaves.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.expected.get(name).map(|expected| expected.place)
    }
}
