//! The time limit for all outputs together. The limit does not depend on what slaves say about the lengths of their outputs:
//! it moves with the bytes that come.

use std::time::Duration;

use super::super::awake::AwakeInstant;
use synexec_proto::wire::SLOWEST_BYTES_PER_SECOND;

/// Number of outputs that are fetched at the same time.
pub(super) const AT_ONCE: usize = 16;

/// The same number if slaves are slow, and others have their turn meanwhile.
pub(super) const AT_ONCE_IF_SLOW: usize = 64;

/// How much of an output is asked for at a time, in bytes.
pub(super) const WINDOW: u32 = 512 * 1024;

/// Time in which all outputs have to come, in addition to the time that follows from their lengths.
const SPARE_TIME: Duration = Duration::from_secs(60);

/// The time limit for all outputs together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// When the outputs are given up if they have no bytes.
    base: AwakeInstant,
    /// Number of outputs that come at the same time.
    places: u64,
    /// The bytes that have come, and a window of each output.
    all: u64,
    /// The same of the longest output.
    longest: u64,
}

impl Limit {
    /// The limit of a phase that begins now with open outputs, of which these bytes are expected, each as the slave says. A
    /// slave may fall behind the least rate by `most_behind`.
    pub(super) fn new(now: AwakeInstant, open: impl Iterator<Item = u64>, most_behind: Duration) -> Self {
        let first: Vec<_> = open.map(|bytes| bytes.min(WINDOW.into())).collect();
        let stalls = u32::try_from(1 + first.len() / (AT_ONCE_IF_SLOW - AT_ONCE)).unwrap_or(u32::MAX);
        Self {
            base: now.plus(SPARE_TIME.saturating_add(most_behind.saturating_mul(stalls))),
            places: first.len().clamp(1, AT_ONCE).try_into().unwrap_or(1),
            all: first.iter().copied().fold(0, u64::saturating_add),
            longest: first.iter().copied().max().unwrap_or(0),
        }
    }

    /// So many bytes have come, and this many of this output so far.
    pub(super) fn came(&mut self, bytes: u64, of_this: u64) {
        self.all = self.all.saturating_add(bytes);
        self.longest = self.longest.max(of_this.saturating_add(WINDOW.into()));
    }

    /// When the outputs that have not come are given up. Any order in which a number of places is filled takes at most the
    /// time of all outputs, divided by the places, and that of the longest one (R. L. Graham, "Bounds for certain
    /// multiprocessing anomalies", 1966). Here, each place has the least rate.
    pub(super) fn ends_at(self) -> AwakeInstant {
        let seconds = (self.all / self.places).saturating_add(self.longest) / u64::from(SLOWEST_BYTES_PER_SECOND);
        self.base.plus(Duration::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEHIND: Duration = Duration::from_secs(40);

    fn at(seconds: u64) -> AwakeInstant {
        AwakeInstant::from_millis(seconds * 1000)
    }

    fn limit(open: &[u64]) -> Limit {
        Limit::new(at(0), open.iter().copied(), BEHIND)
    }

    #[test]
    fn the_limit_follows_from_the_number_of_outputs() {
        assert_eq!(limit(&[]).ends_at(), at(100));
        assert_eq!(limit(&[0; 47]).ends_at(), at(100));
        assert_eq!(limit(&[0; 96]).ends_at(), at(60 + 3 * 40));
        assert_eq!(limit(&[40_960]).ends_at(), at(100 + 10 + 10));
        assert_eq!(limit(&[40_960; 32]).ends_at(), at(100 + 20 + 10));
    }

    #[test]
    fn a_claimed_length_counts_for_no_more_than_a_window() {
        assert_eq!(limit(&[u64::MAX]).ends_at(), limit(&[WINDOW.into()]).ends_at());
    }

    /// Outputs of any length that come at the least rate, one after the other, are never given up.
    #[test]
    fn bytes_that_come_at_the_least_rate_move_the_limit() {
        for outputs in [1, 3, 16, 40] {
            let mut limit = limit(&vec![u64::MAX; outputs]);
            let (mut second, step) = (0, 64 * 1024);
            let rate = u64::from(SLOWEST_BYTES_PER_SECOND) * u64::try_from(outputs.min(AT_ONCE)).unwrap();
            for _ in 0..outputs {
                for come in (step..=4 << 20).step_by(64 * 1024) {
                    second += step / rate;
                    limit.came(step, come);
                    assert!(limit.ends_at() > at(second), "{outputs} outputs after {second} s");
                }
            }
        }
    }
}
