//! What repeats is told once.

use std::collections::HashSet;
use std::hash::Hash;

/// Most things that are remembered. Beyond them nothing new is told: whoever makes that many is after the log.
const TOLD_MAX: usize = 1024;

/// What has been told.
#[derive(Debug)]
pub struct Told<T>(HashSet<T>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Eq + Hash> Told<T> {
    /// Whether this is to be told, since it never was.
    pub fn is_news(&mut self, what: T) -> bool {
        self.0.len() < TOLD_MAX && self.0.insert(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_not_for_ever() {
        let mut told = Told::default();
        assert!((0..TOLD_MAX).all(|number| told.is_news(number)));
        assert!((0..TOLD_MAX * 2).all(|number| !told.is_news(number)));
        assert_eq!(told.0.len(), TOLD_MAX);
    }
}
