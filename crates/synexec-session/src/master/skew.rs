//! How far apart the starts were.

use std::time::Duration;

use super::{MeasuredStart, Row};
use synexec_proto::time::MonotonicInstant;

/// The starts of one round, on the master's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// When the first task started.
    pub first: MonotonicInstant,
    /// Last start minus first start.
    pub skew: Duration,
    /// How far the true skew can be from it, either way.
    pub uncertainty: Duration,
    /// Starts that are known.
    pub known: usize,
    /// Slaves that took part.
    pub slaves: usize,
    /// How long all of them were running together; zero where one had ended before the last had started, none where the
    /// start of one is not known.
    pub together: Option<Duration>,
}

impl Skew {
    /// The skew of these rows; none where not one start is known.
    pub(super) fn of(rows: &[Row]) -> Option<Self> {
        let starts: Vec<_> = rows.iter().filter_map(|row| row.start).collect();
        let (first, last) = (starts.iter().map(|start| start.at).min()?, starts.iter().map(|start| start.at).max()?);
        let skew = last.since(first);
        let uncertainty = most(&starts).saturating_sub(skew).max(skew.saturating_sub(least(&starts)));
        let first_end = starts.iter().map(|start| start.ended_at).min()?;
        let together = (starts.len() == rows.len()).then(|| first_end.since(last));
        Some(Self { first, skew, uncertainty, known: starts.len(), slaves: rows.len(), together })
    }

    /// Whether the skew is known for all slaves, and not above this.
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

/// The least that the skew can be: the last start was not before the latest lower bound, nor the first after the
/// earliest upper one.
fn least(starts: &[MeasuredStart]) -> Duration {
    match (starts.iter().map(lower).max(), starts.iter().map(upper).min()) {
        (Some(last), Some(first)) => last.since(first),
        _ => Duration::ZERO,
    }
}

/// The most that the skew can be: one start at its upper bound, and another at its lower.
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
    use crate::master::{Outcome, SlaveLabel};

    fn row(start: Option<(u64, u64, u64)>) -> Row {
        let at = MonotonicInstant::from_nanos;
        let start = start.map(|(started, ended, uncertainty)| MeasuredStart {
            at: at(started),
            ended_at: at(ended),
            uncertainty: Duration::from_nanos(uncertainty),
            lateness: Duration::ZERO,
        });
        let slave = SlaveLabel { name: "vm".into(), address: "10.0.0.1:1".parse().unwrap() };
        Row { start, ..Row::new(0, slave, Outcome::Cancelled) }
    }

    #[test]
    fn the_skew_is_last_minus_first_and_its_uncertainty_bounds_the_truth() {
        let skew = Skew::of(&[row(Some((1_000, 9_000, 10))), row(Some((1_300, 7_000, 40)))]).unwrap();
        assert_eq!(skew.skew.as_nanos(), 300);
        assert_eq!(skew.uncertainty.as_nanos(), 50);
        assert_eq!(skew.together, Some(Duration::from_nanos(5_700)));
        assert!(skew.is_within(Duration::from_nanos(300)) && !skew.is_within(Duration::from_nanos(299)));
    }

    #[test]
    fn one_that_may_have_been_first_or_last_counts_on_both_sides() {
        let skew = Skew::of(&[row(Some((1_000, 2_000, 0))), row(Some((1_100, 2_000, 500)))]).unwrap();
        assert_eq!((skew.skew.as_nanos(), skew.uncertainty.as_nanos()), (100, 500), "{skew:?}");
    }

    #[test]
    fn what_is_not_known_of_all_is_not_within_anything() {
        let skew = Skew::of(&[row(Some((1_000, 2_000, 0))), row(None)]).unwrap();
        assert_eq!((skew.known, skew.slaves, skew.together), (1, 2, None));
        assert!(!skew.is_within(Duration::MAX));
        assert_eq!(Skew::of(&[row(None)]), None);
    }

    #[test]
    fn tasks_that_never_ran_together_have_no_common_time() {
        let skew = Skew::of(&[row(Some((1_000, 1_200, 0))), row(Some((1_500, 1_900, 0)))]).unwrap();
        assert_eq!(skew.together, Some(Duration::ZERO));
    }
}
