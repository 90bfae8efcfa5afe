//! The median of times.

use std::time::Duration;

/// The median of times in ascending order: of an even number, the mean of the two in the middle. None without times.
pub fn median(ascending: &[Duration]) -> Option<Duration> {
    let last = ascending.len().checked_sub(1)?;
    Some(ascending.get(last / 2)?.saturating_add(*ascending.get(last.div_ceil(2))?) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |secs: &[u64]| median(&secs.iter().map(|secs| Duration::from_secs(*secs)).collect::<Vec<_>>());
        assert_eq!([of(&[]), of(&[3])], [None, Some(Duration::from_secs(3))]);
        assert_eq!([of(&[1, 2, 9]), of(&[1, 2, 4, 9])], [2, 3].map(|secs| Some(Duration::from_secs(secs))));
    }
}
