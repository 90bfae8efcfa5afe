//! Time as the master lives it: it stands still while the master itself is stopped or its host suspended.
//!
//! Every limit in a session is there to find a slave that is gone. A master that was away has heard nobody, and must
//! read what has arrived meanwhile before it blames anyone.

use std::time::Duration;

use crate::time::MonotonicInstant;

/// How often the clock is looked at. Of a longer time between two looks, only this much is counted.
const TICK: Duration = Duration::from_secs(1);

/// A look that comes this much late is still counted whole: the machine is busy, not away.
const SLACK: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct AwakeClock {
    last_look: MonotonicInstant,
    away: Duration,
}

impl AwakeClock {
    pub(super) fn new(now: MonotonicInstant) -> Self {
        Self { last_look: now, away: Duration::ZERO }
    }

    /// Looks at the clock, and gives its time.
    pub(super) fn look(&mut self, now: MonotonicInstant) -> MonotonicInstant {
        let step = now.since(self.last_look);
        if step > TICK + SLACK {
            self.away += step.saturating_sub(TICK);
        }
        self.last_look = self.last_look.max(now);
        self.last_look.minus(self.away)
    }

    /// When a time of this clock will come, or the clock has to be looked at before.
    pub(super) fn next_look(&self, awaited: MonotonicInstant) -> MonotonicInstant {
        awaited.plus(self.away).min(self.last_look.plus(TICK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MonotonicInstant {
        MonotonicInstant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn the_clock_goes_with_time_while_it_is_looked_at() {
        let mut clock = AwakeClock::new(at(500));
        for now in [700, 1700, 2900] {
            assert_eq!(clock.look(at(now)), at(now));
        }
        assert_eq!(clock.next_look(at(3000)), at(3000));
        assert_eq!(clock.next_look(at(9000)), at(3900));
    }

    #[test]
    fn of_a_time_away_only_a_tick_is_counted() {
        let mut clock = AwakeClock::new(at(1000));
        assert_eq!(clock.look(at(61_000)), at(2000));
        assert_eq!(clock.look(at(61_500)), at(2500));
        assert_eq!(clock.next_look(at(2600)), at(61_600));
    }
}
