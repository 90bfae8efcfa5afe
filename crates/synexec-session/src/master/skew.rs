//! How far apart the starts were.

use std::time::Duration;

use super::MeasuredStart;
use synexec_proto::time::MonotonicInstant;

/// The starts of one round, on the master's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// The first start.
    pub first: MonotonicInstant,
    /// Last start minus first start.
    pub skew: Duration,
    /// Largest distance between `skew` and the true skew, either way.
    pub uncertainty: Duration,
    /// Number of starts that are known.
    pub known: usize,
    /// Number of slaves that took part.
    pub slaves: usize,
    /// Time in which all tasks ran together: zero if a task had ended before the last one started; none if a start is not
    /// known.
    pub together: Option<Duration>,
}

impl Skew {
    /// The skew of the known starts of this many slaves; none if no start is known.
    pub(super) fn of(starts: &[MeasuredStart], slaves: usize) -> Option<Self> {
        let (first, last) = (starts.iter().map(|start| start.at).min()?, starts.iter().map(|start| start.at).max()?);
        let skew = last.since(first);
        let uncertainty = most(starts).saturating_sub(skew).max(skew.saturating_sub(least(starts)));
        let first_end = starts.iter().map(|start| start.ended_at).min()?;
        let together = (starts.len() == slaves).then(|| first_end.since(last));
        Some(Self { first, skew, uncertainty, known: starts.len(), slaves, together })
    }

    /// Whether the skew is known for all slaves and at most this long.
    pub fn is_within(&self, most: Duration) -> bool {
        self.known == self.slaves && self.skew <= most
    }
}

fn lower(start: &MeasuredStart) -> MonotonicInstant {
    start.at.minus(start.uncertainty)
}

fn upper(start: &MeasuredStart) -> MonotonicInstant {
    start.at.plus(start.uncertainty)
}

/// The smallest possible skew: the last start was not before the latest lower bound, and the first start was not after the
/// earliest upper bound.
fn least(starts: &[MeasuredStart]) -> Duration {
    match (starts.iter().map(lower).max(), starts.iter().map(upper).min()) {
        (Some(last), Some(first)) => last.since(first),
        _ => Duration::ZERO,
    }
}

/// The largest possible skew: one start at its upper bound, and another at its lower bound.
fn most(starts: &[MeasuredStart]) -> Duration {
    let indices = || 0..starts.len();
    let (Some(latest), Some(earliest)) =
        (indices().max_by_key(|index| upper(&starts[*index])), indices().min_by_key(|index| lower(&starts[*index])))
    else {
        return Duration::ZERO;
    };
    let other =
        |than: usize| starts.iter().enumerate().filter(move |(index, _)| *index != than).map(|(_, start)| start);
    let before_latest = other(latest).map(lower).min().map(|first| upper(&starts[latest]).since(first));
    let after_earliest = other(earliest).map(upper).max().map(|last| last.since(lower(&starts[earliest])));
    before_latest.max(after_earliest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(started: u64, ended: u64, uncertainty: u64) -> MeasuredStart {
        MeasuredStart {
            at: MonotonicInstant::from_nanos(started),
            ended_at: MonotonicInstant::from_nanos(ended),
            uncertainty: Duration::from_nanos(uncertainty),
            lateness: Duration::ZERO,
        }
    }

    #[test]
    fn the_skew_is_last_minus_first_and_its_uncertainty_bounds_the_truth() {
        let skew = Skew::of(&[start(1_000, 9_000, 10), start(1_300, 7_000, 40)], 2).unwrap();
        assert_eq!(skew.skew.as_nanos(), 300);
        assert_eq!(skew.uncertainty.as_nanos(), 50);
        assert_eq!(skew.together, Some(Duration::from_nanos(5_700)));
        assert!(skew.is_within(Duration::from_nanos(300)) && !skew.is_within(Duration::from_nanos(299)));
    }

    #[test]
    fn one_that_may_have_been_first_or_last_counts_on_both_sides() {
        let skew = Skew::of(&[start(1_000, 2_000, 0), start(1_100, 2_000, 500)], 2).unwrap();
        assert_eq!((skew.skew.as_nanos(), skew.uncertainty.as_nanos()), (100, 500), "{skew:?}");
    }

    #[test]
    fn a_skew_without_all_starts_is_within_no_limit() {
        let skew = Skew::of(&[start(1_000, 2_000, 0)], 2).unwrap();
        assert_eq!((skew.known, skew.slaves, skew.together), (1, 2, None));
        assert!(!skew.is_within(Duration::MAX));
        assert_eq!(Skew::of(&[], 1), None);
    }

    #[test]
    fn tasks_that_never_ran_together_have_no_common_time() {
        let skew = Skew::of(&[start(1_000, 1_200, 0), start(1_500, 1_900, 0)], 2).unwrap();
        assert_eq!(skew.together, Some(Duration::ZERO));
    }
}
