//! Other masters that look for slaves of the same session at the same time.
//!
//! Two such masters would each hold some of the slaves and wait for ever. Each of them hears the other's probes, so both
//! can follow one rule without a message: on the networks that they share, the master with the lowest address goes
//! first. The other master yields: it releases its slaves, sends no probes, and goes on when it hears no more probes
//! of the first one. A master that is silent holds no slaves, so one of the masters that send probes always goes on.
//!
//! The first master may wait for slaves that the other one does not want, or for more slaves than there are, or it may be
//! a forgery. A master that yields therefore tries for a short time in each minute to get its slaves. The first master
//! hears this, and yields in turn if it has got no further slave since it first heard the other one.

#[cfg(test)]
mod tests;

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

/// Time that a master which goes first has to get a further slave, once it has heard a rival. After this time, the master
/// yields to a rival that it hears. A random time is added, so that two masters that do not hear each other well do not
/// yield at the same time for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Unit of the random time, of which there are 0 to 255.
const PATIENCE_STEP: Duration = Duration::from_millis(40);

/// Shortest time that a master yields before it tries to get its slaves. A random time is added, so that several masters
/// that yield do not try at the same time for ever.
const YIELDING: Duration = Duration::from_secs(30);

/// Unit of the random time, of which there are 0 to 255.
const YIELDING_STEP: Duration = Duration::from_millis(117);

/// Time of such an attempt.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Time without a rival after which a contest is over. It is longer than the time for which a rival yields: a rival that
/// yields is silent, and still waits for the slaves.
const CONTEST_GAP: Duration = Duration::from_secs(70);

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
    /// This master looks for slaves. If rivals do so too, there is a contest.
    Seeking(Option<Contest>),
    Yielding(Yielding),
}

/// A time in which this master and rivals look for the same slaves.
#[derive(Debug, Clone, Copy)]
struct Contest {
    /// When this master got its last slave, or when it first heard the rivals if that was later.
    since: AwakeInstant,
    /// When a rival was heard last.
    heard: AwakeInstant,
    /// The largest number of slaves that had joined. A slave that only comes back is no further slave.
    most_joined: usize,
}

#[derive(Debug, Clone, Copy)]
struct Yielding {
    /// Whether this master goes first, and yields all the same.
    out_of_turn: bool,
    since: AwakeInstant,
}

impl Rivals {
    /// No rival was heard yet. The seed is a source of chance.
    pub(super) fn new(seed: TokenSeed, now: AwakeInstant) -> Self {
        Self {
            heard: BTreeMap::new(),
            stance: Stance::Seeking(None),
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
        self.forget_gone(now);
        if let Some(rival) = self.heard.get_mut(&theirs) {
            (rival.ours, rival.last) = (ours, now);
            return None;
        }
        self.heard.insert(theirs, Rival { ours, first: now, last: now });
        if self.heard.len() > RIVALS_MAX && self.heard.pop_last().is_some_and(|(highest, _)| highest == theirs) {
            return None;
        }
        let (lowest_theirs, lowest_ours) = lowest(self.heard.iter())?;
        let goes_first = lowest_theirs <= lowest_ours;
        Some(Rivalry::Met { theirs, ours, lowest: lowest_theirs.min(lowest_ours), goes_first })
    }

    /// Decides whether this master changes what it does, and returns the notice of the change. So many slaves have joined. The
    /// master yields only if it `needs` more.
    pub(super) fn take_turn(&mut self, now: AwakeInstant, needs: bool, joined: usize) -> Option<Rivalry> {
        self.forget_gone(now);
        match self.stance {
            Stance::Yielding(yielding) => self.wait_or_go_on(now, yielding),
            Stance::Seeking(contest) if needs && now >= self.attempt_until => {
                self.insist_or_yield(now, contest, joined)
            }
            Stance::Seeking(_) => None,
        }
    }

    fn forget_gone(&mut self, now: AwakeInstant) {
        self.heard.retain(|_, rival| now.since(rival.last) < GONE);
    }

    fn insist_or_yield(&mut self, now: AwakeInstant, contest: Option<Contest>, joined: usize) -> Option<Rivalry> {
        let contest = contest.filter(|contest| now.since(contest.heard) < CONTEST_GAP);
        let staying = || self.heard.iter().filter(|(_, rival)| rival.last.since(rival.first) >= PASSING);
        let Some((&to, _)) = staying().next() else {
            self.stance = Stance::Seeking(contest);
            return None;
        };
        let contest = Contest::go_on(contest, now, joined);
        let out_of_turn = is_first(staying());
        if out_of_turn && now.since(contest.since) < self.patience() {
            self.stance = Stance::Seeking(Some(contest));
            return None;
        }
        self.times_yielded = self.times_yielded.saturating_add(1);
        self.stance = Stance::Yielding(Yielding { out_of_turn, since: now });
        Some(Rivalry::Yields { to, out_of_turn, released: joined })
    }

    fn wait_or_go_on(&mut self, now: AwakeInstant, yielding: Yielding) -> Option<Rivalry> {
        let waited = now.since(yielding.since);
        let goes_on = if yielding.out_of_turn { self.heard.is_empty() } else { is_first(self.heard.iter()) };
        let change = match self.heard.keys().next() {
            others if goes_on => Rivalry::GoesOn { after: waited, hears_others: others.is_some() },
            Some(&to) if waited >= self.yielding_time() => {
                self.attempt_until = now.plus(ATTEMPT);
                Rivalry::Tries { to, waited, attempt: ATTEMPT }
            }
            _ => return None,
        };
        self.stance = Stance::Seeking(None);
        Some(change)
    }

    fn patience(&self) -> Duration {
        PATIENCE + PATIENCE_STEP * self.seed.chance(self.times_yielded).into()
    }

    /// How long this master yields before it tries to get its slaves.
    fn yielding_time(&self) -> Duration {
        YIELDING + YIELDING_STEP * self.seed.chance(!self.times_yielded).into()
    }
}

impl Contest {
    /// The contest with rivals that are heard now, while so many slaves have joined.
    fn go_on(contest: Option<Self>, now: AwakeInstant, joined: usize) -> Self {
        match contest {
            Some(contest) if joined <= contest.most_joined => Self { heard: now, ..contest },
            _ => Self { since: now, heard: now, most_joined: joined },
        }
    }
}

/// Whether this master goes first: it has the lowest address on the networks of these rivals. Both sides know all
/// addresses from which either of them sends probes there, so both come to the same result.
fn is_first<'a>(rivals: impl Iterator<Item = (&'a Ipv4Addr, &'a Rival)>) -> bool {
    lowest(rivals).is_none_or(|(theirs, ours)| ours < theirs)
}

/// The lowest address of these rivals, and the lowest address of this master on their networks.
fn lowest<'a>(rivals: impl Iterator<Item = (&'a Ipv4Addr, &'a Rival)>) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let addresses = rivals.map(|(theirs, rival)| (*theirs, rival.ours));
    addresses.reduce(|one, other| (one.0.min(other.0), one.1.min(other.1)))
}
