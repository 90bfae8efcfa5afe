//! Masters that have turned this slave away. Their probes are not answered for a while, so that slave and master do not
//! connect and part again all the time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use synexec_proto::defaults::DISCOVERY_INTERVAL;
use synexec_proto::time::MonotonicInstant;

/// Time for which a slave does not connect to a master that has turned it away.
pub(super) const SHUN_TIME: Duration = Duration::from_secs(5);

/// Time for which the slave makes way for other slaves of its host: long enough for one probe to reach one of them.
pub(super) const WAY_TIME: Duration = DISCOVERY_INTERVAL.saturating_add(Duration::from_millis(500));

/// Most masters that are remembered. Beyond that, the slave forgets the one that it would forget first anyway.
const MASTERS_MAX: usize = 16;

/// Masters that have turned this slave away lately.
#[derive(Debug, Default)]
pub(super) struct Shunned {
    /// When each master is answered again.
    until: BTreeMap<SocketAddr, MonotonicInstant>,
    /// The masters whose probes were ignored since the slave last made way for other slaves, and when the first of these
    /// probes came.
    ignored: BTreeMap<SocketAddr, MonotonicInstant>,
}

impl Shunned {
    /// Remembers a master that has turned this slave away now.
    pub(super) fn shun(&mut self, now: MonotonicInstant, master: SocketAddr) {
        self.until.retain(|_, until| now < *until);
        if self.until.len() >= MASTERS_MAX
            && let Some(first) = self.until.iter().min_by_key(|(_, until)| **until).map(|(master, _)| *master)
        {
            self.until.remove(&first);
        }
        self.until.insert(master, now.plus(SHUN_TIME));
    }

    /// A probe of a shunned master is ignored. Returns whether the slave makes way for other slaves of its host now: a probe
    /// that is sent to one host only reaches one of them. Between two such times, the slave listens for at least as long as
    /// the time between two probes of a master, so that it hears every other master. A master sends
    /// each probe several times at once, to several addresses; such a copy is no further probe.
    pub(super) fn ignore(&mut self, now: MonotonicInstant, master: SocketAddr) -> bool {
        self.ignored.retain(|master, _| self.until.contains_key(master));
        let first = *self.ignored.entry(master).or_insert(now);
        let makes_way = now.since(first) >= DISCOVERY_INTERVAL / 2;
        if makes_way {
            self.ignored.clear();
        }
        makes_way
    }

    /// Whether a master has turned this slave away lately.
    pub(super) fn is_shunned(&self, now: MonotonicInstant, master: SocketAddr) -> bool {
        self.until.get(&master).is_some_and(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 5165))
    }

    fn at(seconds: u64) -> MonotonicInstant {
        MonotonicInstant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_master_is_shunned_for_a_while_and_no_other_master_is() {
        let mut shunned = Shunned::default();
        shunned.shun(at(10), master(1));
        assert!(shunned.is_shunned(at(14), master(1)) && !shunned.is_shunned(at(14), master(2)));
        assert!(!shunned.is_shunned(at(15), master(1)));
    }

    #[test]
    fn the_slave_makes_way_at_the_next_probe_of_a_master_and_not_at_a_copy_of_the_probe_before() {
        let mut shunned = Shunned::default();
        shunned.shun(at(10), master(1));
        shunned.shun(at(10), master(2));
        for copy in 0..3 {
            assert!(!shunned.ignore(at(10).plus(Duration::from_millis(copy)), master(1)), "{copy}");
            assert!(!shunned.ignore(at(10).plus(Duration::from_millis(500 + copy)), master(2)), "{copy}");
        }
        assert!(shunned.ignore(at(11), master(1)));
        assert!(!shunned.ignore(at(11), master(1)) && shunned.ignore(at(12), master(1)));
    }

    #[test]
    fn any_number_of_masters_takes_little_memory() {
        let mut shunned = Shunned::default();
        (0..=u8::MAX).for_each(|number| shunned.shun(at(10), master(number)));
        (0..=u8::MAX).for_each(|number| assert!(!shunned.ignore(at(10), master(number))));
        assert!(shunned.until.len() == MASTERS_MAX && shunned.ignored.len() <= MASTERS_MAX + 1);
        assert!(shunned.is_shunned(at(11), master(u8::MAX)));
    }
}
