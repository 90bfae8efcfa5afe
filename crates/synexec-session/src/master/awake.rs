//! Time as the master experiences it: the time stands still while the master is stopped or its host suspended.
//!
//! Every limit in a session exists to find a slave that is lost. A master that was away has heard no slave, and must read
//! the messages that have arrived meanwhile before it calls a slave lost.

use std::time::Duration;

use synexec_proto::time::MonotonicInstant;

/// Time between two looks at the clock. If more time passes between two looks, only this much counts.
const TICK: Duration = Duration::from_secs(1);

/// A look that is late by at most this much counts in full: the machine is busy, not away.
const SLACK: Duration = Duration::from_millis(250);

/// Time after an absence in which no limit strikes, because the messages that have arrived meanwhile are still unread.
const CATCH_UP_TIME: Duration = Duration::from_millis(50);

/// Time after an absence in which the absence explains that a slave has heard nothing from the master.
const RETURN_TIME: Duration = Duration::from_secs(1);

/// An instant of an [`AwakeClock`]. No other program or host has this clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AwakeInstant(MonotonicInstant);

impl AwakeInstant {
    pub(super) fn plus(self, later: Duration) -> Self {
        Self(self.0.plus(later))
    }

    pub(super) fn since(self, earlier: Self) -> Duration {
        self.0.since(earlier.0)
    }

    #[cfg(test)]
    pub(super) fn from_millis(millis: u64) -> Self {
        Self(MonotonicInstant::from_nanos(millis * 1_000_000))
    }
}

/// Now, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// The clock of limits.
    pub(super) awake: AwakeInstant,
    /// The clock of starts and measurements.
    pub(super) monotonic: MonotonicInstant,
}

impl Now {
    /// Time from now to an arrival of which the master hears later. An absence of the master does not count, since it says
    /// nothing about the peer.
    pub(super) fn until(self, heard: Self, arrived: MonotonicInstant) -> Duration {
        arrived.since(self.monotonic).min(heard.awake.since(self.awake))
    }
}

/// When the session has to look at something, on either clock.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Deadline {
    pub(super) awake: Option<AwakeInstant>,
    pub(super) monotonic: Option<MonotonicInstant>,
}

#[derive(Debug)]
pub(super) struct AwakeClock {
    last_look: MonotonicInstant,
    away: Duration,
    /// After an absence, the end of the time in which no limit strikes.
    caught_up_at: Option<MonotonicInstant>,
    /// When the last absence ended.
    back_at: Option<MonotonicInstant>,
}

impl AwakeClock {
    pub(super) fn new(now: MonotonicInstant) -> Self {
        Self { last_look: now, away: Duration::ZERO, caught_up_at: None, back_at: None }
    }

    /// Looks at the clock, and returns the time.
    pub(super) fn look(&mut self, now: MonotonicInstant) -> Now {
        let step = now.since(self.last_look);
        let was_away = step > TICK + SLACK;
        if was_away {
            self.away += step.saturating_sub(TICK);
            self.back_at = Some(now);
        }
        // A machine that is always late catches up only once; otherwise no limit would ever strike.
        self.caught_up_at = match self.caught_up_at {
            None => was_away.then(|| now.plus(CATCH_UP_TIME)),
            Some(caught_up_at) => (now < caught_up_at).then_some(caught_up_at),
        };
        self.last_look = self.last_look.max(now);
        Now { awake: AwakeInstant(self.last_look.minus(self.away)), monotonic: self.last_look }
    }

    /// Whether the master was away just now, so that no limit strikes yet.
    pub(super) fn is_catching_up(&self) -> bool {
        self.caught_up_at.is_some()
    }

    /// Whether the master was away within the last second.
    pub(super) fn was_away_lately(&self) -> bool {
        self.back_at.is_some_and(|back| self.last_look.since(back) < RETURN_TIME)
    }

    /// When a deadline comes, or when to look at the clock before it.
    pub(super) fn next_look(&self, awaited: Deadline) -> MonotonicInstant {
        if let Some(caught_up_at) = self.caught_up_at {
            return caught_up_at;
        }
        let awake = awaited.awake.map(|instant| instant.0.plus(self.away));
        awake.into_iter().chain(awaited.monotonic).fold(self.last_look.plus(TICK), MonotonicInstant::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MonotonicInstant {
        MonotonicInstant::from_nanos(millis * 1_000_000)
    }

    fn awaited(millis: u64) -> Deadline {
        Deadline { awake: Some(AwakeInstant::from_millis(millis)), monotonic: None }
    }

    #[test]
    fn the_clock_goes_with_time_while_it_is_looked_at() {
        let mut clock = AwakeClock::new(at(500));
        for now in [700, 1700, 2900] {
            let look = clock.look(at(now));
            assert_eq!((look.awake, look.monotonic), (AwakeInstant::from_millis(now), at(now)));
        }
        assert_eq!(clock.next_look(awaited(3000)), at(3000));
        assert_eq!(clock.next_look(awaited(9000)), at(3900));
    }

    #[test]
    fn of_a_time_away_only_a_tick_is_counted() {
        let mut clock = AwakeClock::new(at(1000));
        assert_eq!(clock.look(at(61_000)).awake, AwakeInstant::from_millis(2000));
        assert_eq!(clock.look(at(61_500)).awake, AwakeInstant::from_millis(2500));
        assert_eq!(clock.next_look(awaited(2600)), at(61_600));
    }

    #[test]
    fn after_an_absence_nothing_strikes_for_a_moment() {
        let mut clock = AwakeClock::new(at(1000));
        clock.look(at(1500));
        assert!(!clock.is_catching_up());
        clock.look(at(61_500));
        assert!(clock.is_catching_up() && clock.next_look(awaited(1600)) == at(61_550));
        clock.look(at(61_520));
        assert!(clock.is_catching_up() && clock.next_look(awaited(1600)) == at(61_550));
        clock.look(at(61_550));
        assert!(!clock.is_catching_up() && clock.was_away_lately());
        clock.look(at(62_500));
        assert!(!clock.was_away_lately());
    }

    #[test]
    fn a_machine_that_is_always_late_catches_up_once() {
        let mut clock = AwakeClock::new(at(0));
        let catching_up = [2000, 4000, 6000, 8000].map(|now| {
            clock.look(at(now));
            clock.is_catching_up()
        });
        assert_eq!(catching_up, [true, false, true, false]);
    }

    #[test]
    fn an_instant_of_the_monotonic_clock_comes_also_when_nobody_was_there() {
        let mut clock = AwakeClock::new(at(1000));
        assert_eq!(clock.look(at(61_000)).monotonic, at(61_000));
        clock.look(at(61_050));
        let due = Deadline { awake: None, monotonic: Some(at(61_060)) };
        assert_eq!(clock.next_look(due), at(61_060));
    }
}
