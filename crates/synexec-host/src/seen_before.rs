//! Remembering what has been logged, so that a repeated event is logged once.

use std::collections::HashSet;
use std::hash::Hash;

/// Most items remembered. A peer that causes more different items than this is trying to fill the log.
const ITEMS_MAX: usize = 1024;

/// The items seen so far, up to a fixed number of them.
#[derive(Debug)]
pub struct SeenBefore<T>(HashSet<T>);

impl<T> Default for SeenBefore<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Eq + Hash> SeenBefore<T> {
    /// Remembers an item, and returns whether it is new. When 1024 items are remembered, no other item counts as new.
    pub fn insert(&mut self, item: T) -> bool {
        self.0.len() < ITEMS_MAX && self.0.insert(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_new_once_and_the_number_of_items_is_limited() {
        let mut seen = SeenBefore::default();
        assert!((0..ITEMS_MAX).all(|number| seen.insert(number)));
        assert!((0..ITEMS_MAX * 2).all(|number| !seen.insert(number)));
        assert_eq!(seen.0.len(), ITEMS_MAX);
    }
}
