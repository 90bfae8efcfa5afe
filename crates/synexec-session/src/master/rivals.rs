//! Other masters that look for slaves of the same session at the same time.
//!
//! Two such masters would each hold some of the slaves and wait for ever. Each of them hears the other's probes, so both
//! can follow one rule without a message: on the networks that they share, the master with the lowest address goes
//! first. The other master yields: it releases its slaves, sends no probes, and goes on when it hears no more probes
//! of the first one. A master that is silent holds no slaves, so one of the masters that send probes always goes on.
//!
//! The first master may wait for slaves that the other one does not want, or may be a forgery. A master that yields
//! therefore tries for a short time in each minute whether it gets its slaves.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::awake::AwakeInstant;
use super::{Rivalry, TokenSeed};
use synexec_proto::defaults::DISCOVERY_INTERVAL;

/// Time without a probe after which a rival counts as gone: several probes in a row can get lost.
const GONE: Duration = Duration::from_secs(4);

/// A rival that sends probes for less than this time may have all its slaves already, and nobody yields to it.
const PASSING: Duration = Duration::from_millis(500);

/// Time in which a rival that has to yield does so. After this time without a new slave, this master yields. A random
/// time is added, so that two masters that do not hear each other well do not yield at the same time for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Unit of the random time, of which there are 0 to 255.
const PATIENCE_STEP: Duration = Duration::from_millis(40);

/// Longest time that a master yields before it tries to get its slaves.
const YIELDING_MAX: Duration = Duration::from_secs(60);

/// Time of such an attempt, shorter than the patience of the master that goes first.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Most rivals that are remembered. Of more, those with the lowest addresses are remembered, because they go first.
const RIVALS_MAX: usize = 64;

/// The other masters, and whether this master yields to one of them.
#[derive(Debug)]
pub(super) struct Rivals {
    heard: BTreeMap<Ipv4Addr, Rival>,
    stance: Stance,
    /// Until when this master yields to nobody.
    attempt_until: AwakeInstant,
    next_look: AwakeInstant,
    seed: TokenSeed,
    /// How many times this master has yielded.
    times_yielded: u32,
}

#[derive(Debug, Clone, Copy)]
struct Rival {
    /// The address from which this master sends probes on the network of the rival.
    ours: Ipv4Addr,
    first: AwakeInstant,
    last: AwakeInstant,
}

#[derive(Debug, Clone, Copy)]
enum Stance {
    /// This master looks for slaves. If a rival does so too, it has not got a slave since this instant.
    Seeking {
        contended_since: Option<AwakeInstant>,
    },
    Yielding(Yielding),
}

#[derive(Debug, Clone, Copy)]
struct Yielding {
    to: Ipv4Addr,
    /// Whether the rival had to yield and has not.
    out_of_turn: bool,
    since: AwakeInstant,
}

/// A change of what this master does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It yields to this rival.
    Yield {
        to: Ipv4Addr,
        /// Whether the rival had to yield and has not.
        out_of_turn: bool,
    },
    /// It has yielded to this rival for so long, and tries for this time to get its slaves.
    Try { to: Ipv4Addr, waited: Duration, attempt: Duration },
    /// It has yielded for so long, and looks for slaves again, because it hears no rival.
    GoOn { after: Duration },
}

impl Rivals {
    /// No rival was heard yet. The seed is a source of chance.
    pub(super) fn new(seed: TokenSeed, now: AwakeInstant) -> Self {
        Self {
            heard: BTreeMap::new(),
            stance: Stance::Seeking { contended_since: None },
            attempt_until: now,
            // Between two of its own probes, so that no probe follows a decision to yield.
            next_look: now.plus(DISCOVERY_INTERVAL / 2),
            seed,
            times_yielded: 0,
        }
    }

    /// Whether this master leaves all slaves to a rival.
    pub(super) fn is_yielding(&self) -> bool {
        matches!(self.stance, Stance::Yielding(_))
    }

    /// When to take the probes of other masters next.
    pub(super) fn deadline(&self) -> AwakeInstant {
        self.next_look
    }

    /// Whether it is time to take the probes of other masters.
    pub(super) fn take_look(&mut self, now: AwakeInstant) -> bool {
        let is_due = now >= self.next_look;
        if is_due {
            self.next_look = now.plus(DISCOVERY_INTERVAL);
        }
        is_due
    }

    /// A probe of another master was heard on a network on which this master sends probes from the address `ours`.
    /// Returns the notice of a rival that is new.
    pub(super) fn heard(&mut self, now: AwakeInstant, theirs: Ipv4Addr, ours: Ipv4Addr) -> Option<Rivalry> {
        if theirs == ours {
            return None;
        }
        if let Some(rival) = self.heard.get_mut(&theirs) {
            (rival.ours, rival.last) = (ours, now);
            return None;
        }
        self.heard.insert(theirs, Rival { ours, first: now, last: now });
        if self.heard.len() > RIVALS_MAX && self.heard.pop_last().is_some_and(|(highest, _)| highest == theirs) {
            return None;
        }
        Some(Rivalry::Met { theirs, ours, goes_first: !is_first(self.heard.iter()) })
    }

    /// A slave has joined, so that a rival which does not yield does no harm yet.
    pub(super) fn joined(&mut self, now: AwakeInstant) {
        if let Stance::Seeking { contended_since: Some(since) } = &mut self.stance {
            *since = now;
        }
    }

    /// Decides whether this master changes what it does. It yields only if it `needs` more slaves.
    pub(super) fn take_turn(&mut self, now: AwakeInstant, needs: bool) -> Option<Turn> {
        self.heard.retain(|_, rival| now.since(rival.last) < GONE);
        match self.stance {
            Stance::Yielding(yielding) => self.wait_or_go_on(now, yielding),
            Stance::Seeking { contended_since } if needs && now >= self.attempt_until => {
                self.insist_or_yield(now, contended_since)
            }
            Stance::Seeking { .. } => None,
        }
    }

    fn insist_or_yield(&mut self, now: AwakeInstant, contended_since: Option<AwakeInstant>) -> Option<Turn> {
        let staying = || self.heard.iter().filter(|(_, rival)| rival.last.since(rival.first) >= PASSING);
        let Some((&to, _)) = staying().next() else {
            self.stance = Stance::Seeking { contended_since: None };
            return None;
        };
        let since = contended_since.unwrap_or(now);
        let out_of_turn = is_first(staying());
        if out_of_turn && now.since(since) < self.patience() {
            self.stance = Stance::Seeking { contended_since: Some(since) };
            return None;
        }
        self.times_yielded = self.times_yielded.saturating_add(1);
        self.stance = Stance::Yielding(Yielding { to, out_of_turn, since: now });
        Some(Turn::Yield { to, out_of_turn })
    }

    fn wait_or_go_on(&mut self, now: AwakeInstant, yielding: Yielding) -> Option<Turn> {
        let Yielding { to, out_of_turn, since } = yielding;
        let waited = now.since(since);
        let is_over = if out_of_turn { self.heard.is_empty() } else { is_first(self.heard.iter()) };
        let turn = if is_over {
            Turn::GoOn { after: waited }
        } else if waited >= YIELDING_MAX {
            self.attempt_until = now.plus(ATTEMPT);
            Turn::Try { to, waited, attempt: ATTEMPT }
        } else {
            return None;
        };
        self.stance = Stance::Seeking { contended_since: None };
        Some(turn)
    }

    fn patience(&self) -> Duration {
        PATIENCE + PATIENCE_STEP * self.seed.chance(self.times_yielded).into()
    }
}

/// Whether this master goes first: it has the lowest address on the networks of these rivals. Both sides know all
/// addresses from which either of them sends probes there, so both come to the same result.
fn is_first<'a>(rivals: impl Iterator<Item = (&'a Ipv4Addr, &'a Rival)>) -> bool {
    let lowest = rivals.map(|(theirs, rival)| (*theirs, rival.ours)).reduce(|one, other| {
        let (theirs, ours) = other;
        (one.0.min(theirs), one.1.min(ours))
    });
    lowest.is_none_or(|(theirs, ours)| ours < theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
    const LOWER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const HIGHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

    fn at(seconds: u64) -> AwakeInstant {
        AwakeInstant::from_millis(seconds * 1000)
    }

    fn rivals() -> Rivals {
        Rivals::new(TokenSeed::new([3; 32]), at(0))
    }

    /// Hears a rival in each of these seconds, and returns what follows in which second.
    fn hear(rivals: &mut Rivals, theirs: Ipv4Addr, seconds: std::ops::Range<u64>) -> Vec<(u64, Turn)> {
        let mut turns = Vec::new();
        for second in seconds {
            rivals.heard(at(second), theirs, OURS);
            turns.extend(rivals.take_turn(at(second), true).map(|turn| (second, turn)));
        }
        turns
    }

    #[test]
    fn a_master_yields_to_a_lower_address_and_goes_on_when_it_is_silent() {
        let mut rivals = rivals();
        let new = rivals.heard(at(1), LOWER, OURS);
        assert_eq!(new, Some(Rivalry::Met { theirs: LOWER, ours: OURS, goes_first: true }));
        assert_eq!(rivals.take_turn(at(1), true), None, "the rival may have all its slaves already");
        assert_eq!(rivals.heard(at(2), LOWER, OURS), None);
        assert_eq!(rivals.take_turn(at(2), true), Some(Turn::Yield { to: LOWER, out_of_turn: false }));
        assert!(rivals.is_yielding());
        assert_eq!(hear(&mut rivals, LOWER, 3..40), []);
        assert_eq!(rivals.take_turn(at(42), true), None);
        assert_eq!(rivals.take_turn(at(43), true), Some(Turn::GoOn { after: Duration::from_secs(41) }));
        assert!(!rivals.is_yielding());
    }

    #[test]
    fn nobody_makes_a_master_yield_for_ever() {
        let mut rivals = rivals();
        let (waited, attempt) = (Duration::from_secs(60), Duration::from_secs(10));
        let expected = [
            (1, Turn::Yield { to: LOWER, out_of_turn: false }),
            (61, Turn::Try { to: LOWER, waited, attempt }),
            (71, Turn::Yield { to: LOWER, out_of_turn: false }),
            (131, Turn::Try { to: LOWER, waited, attempt }),
            (141, Turn::Yield { to: LOWER, out_of_turn: false }),
        ];
        assert_eq!(hear(&mut rivals, LOWER, 0..200), expected);
    }

    #[test]
    fn a_master_goes_before_a_higher_address_until_it_has_waited_too_long() {
        let mut rivals = rivals();
        let new = rivals.heard(at(0), HIGHER, OURS);
        assert_eq!(new, Some(Rivalry::Met { theirs: HIGHER, ours: OURS, goes_first: false }));
        let [(second, turn)] = hear(&mut rivals, HIGHER, 1..40)[..] else { panic!("one turn") };
        assert_eq!(turn, Turn::Yield { to: HIGHER, out_of_turn: true });
        assert!((21..=32).contains(&second), "{second}");
        assert_eq!(rivals.take_turn(at(42), true), None);
        assert!(matches!(rivals.take_turn(at(43), true), Some(Turn::GoOn { .. })));
    }

    #[test]
    fn a_slave_that_joins_and_a_set_that_is_complete_keep_a_master_from_yielding() {
        let mut rivals = rivals();
        for second in 0..200 {
            rivals.heard(at(second), HIGHER, OURS);
            rivals.joined(at(second));
            assert_eq!(rivals.take_turn(at(second), true), None);
        }
        rivals.heard(at(200), LOWER, OURS);
        rivals.heard(at(201), LOWER, OURS);
        assert_eq!(rivals.take_turn(at(201), false), None);
        assert!(matches!(rivals.take_turn(at(201), true), Some(Turn::Yield { to: LOWER, .. })));
    }

    #[test]
    fn addresses_are_compared_as_numbers_and_a_masters_own_address_is_no_rival() {
        let mut rivals = rivals();
        assert_eq!(rivals.heard(at(0), OURS, OURS), None);
        assert!(rivals.heard.is_empty());
        let [nine, ten] = [9, 10].map(|last| Ipv4Addr::new(10, 0, 0, last));
        let new = rivals.heard(at(0), ten, nine);
        assert_eq!(new, Some(Rivalry::Met { theirs: ten, ours: nine, goes_first: false }));
    }

    #[test]
    fn forged_addresses_take_little_memory_and_do_not_hide_a_rival_that_goes_first() {
        let mut rivals = rivals();
        let forged = |number: u32| Ipv4Addr::from_bits(HIGHER.to_bits() + number);
        let told = (0..5000).filter(|number| rivals.heard(at(1), forged(*number), OURS).is_some()).count();
        assert_eq!((told, rivals.heard.len()), (RIVALS_MAX, RIVALS_MAX));
        assert!(rivals.heard(at(1), LOWER, OURS).is_some() && rivals.heard.len() == RIVALS_MAX);
        rivals.heard(at(2), LOWER, OURS);
        assert_eq!(rivals.take_turn(at(2), true), Some(Turn::Yield { to: LOWER, out_of_turn: false }));
    }

    /// A master with its addresses on networks, for a game of several masters.
    struct Player {
        rivals: Rivals,
        /// The address on each network.
        addresses: Vec<Option<Ipv4Addr>>,
        /// Seconds of probes that the master needs until it has its slaves, while no other master sends probes to them.
        needs: u32,
    }

    impl Player {
        fn new(number: u8, addresses: &[Option<u8>], needs: u32) -> Self {
            let address = |(network, last): (usize, &Option<u8>)| {
                last.map(|last| Ipv4Addr::new(10, u8::try_from(network).unwrap(), 0, last))
            };
            let addresses = addresses.iter().enumerate().map(address).collect();
            Self { rivals: Rivals::new(TokenSeed::new([number; 32]), at(0)), addresses, needs }
        }

        fn sends(&self) -> bool {
            self.needs > 0 && !self.rivals.is_yielding()
        }
    }

    /// Plays until all masters have their slaves; returns the seconds that this takes. `is_lost` says which probes of a
    /// master another one does not hear.
    fn play(players: &mut [Player], is_lost: impl Fn(u64, usize, usize) -> bool) -> u64 {
        for second in 1.. {
            assert!(second < 1000, "the masters wait for ever");
            let senders: Vec<_> = (0..players.len()).filter(|player| players[*player].sends()).collect();
            if players.iter().all(|player| player.needs == 0) {
                return second;
            }
            for hearer in 0..players.len() {
                for sender in senders.iter().filter(|sender| **sender != hearer && !is_lost(second, **sender, hearer)) {
                    for network in 0..players[hearer].addresses.len() {
                        if let (Some(theirs), Some(ours)) =
                            (players[*sender].addresses[network], players[hearer].addresses[network])
                        {
                            players[hearer].rivals.heard(at(second), theirs, ours);
                        }
                    }
                }
                players[hearer].rivals.take_turn(at(second), true);
            }
            // A master gets its slaves if no other master on its networks takes them.
            if let [alone] = senders[..] {
                players[alone].needs -= 1;
            }
        }
        0
    }

    #[test]
    fn masters_on_one_network_go_one_after_another() {
        let mut players: Vec<_> = (1..=4).map(|number| Player::new(number, &[Some(10 - number)], 3)).collect();
        let took = play(&mut players, |_, _, _| false);
        assert!(took < 40, "{took}");
    }

    #[test]
    fn masters_on_two_networks_agree_though_each_has_the_lower_address_on_one() {
        let mut players = [Player::new(1, &[Some(1), Some(9)], 3), Player::new(2, &[Some(2), Some(3)], 3)];
        let took = play(&mut players, |_, _, _| false);
        assert!(took < 20, "{took}");
        let chain = [&[Some(1), None, Some(8)], &[Some(5), Some(2), None], &[None, Some(7), Some(3)]];
        let mut players: Vec<_> =
            (1..).zip(chain).map(|(number, addresses)| Player::new(number, addresses, 3)).collect();
        assert!(play(&mut players, |_, _, _| false) < 60);
    }

    #[test]
    fn lost_probes_and_a_master_that_hears_nothing_cost_time_only() {
        for seed in 0..20_u64 {
            let players = || [Player::new(1, &[Some(1)], 3), Player::new(2, &[Some(2)], 3)];
            // Three of four probes get lost at random.
            let roll = |second: u64, from: usize| {
                let number = second * 31 + seed * 17 + u64::try_from(from).unwrap() * 7;
                ((number * 2_654_435_761) >> 16) & 3
            };
            play(&mut players(), |second, from, _| roll(second, from) != 0);
            // One of the two is deaf.
            for deaf in [0, 1] {
                let took = play(&mut players(), |_, _, to| to == deaf);
                assert!(took < 60, "{took}");
            }
        }
    }
}
