//! Which probes a slave with a key answers.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use thiserror::Error;

use super::Key;
use super::invitation::{Invitation, Nonce};
use crate::time::WallClockTime;

/// How many of the probes that were accepted last are known again.
const REMEMBERED: usize = 4096;

/// How far a master's clock may be from ours: any time zone taken for another, so that a wrong clock stops nobody who has
/// the key.
const TIME_OFF_MAX: Duration = Duration::from_secs(26 * 60 * 60);

const SECONDS_PER_HOUR: u64 = 60 * 60;

/// Why a probe is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum WrongProbe {
    /// It is not signed at all.
    #[error("it has no key")]
    Unsigned,
    /// It is signed with another key.
    #[error("its key is another one")]
    OtherKey,
    /// It was heard before.
    #[error("it was heard before")]
    Repeated,
    /// It is from another time.
    #[error("its time is {hours} h off; set one of the clocks")]
    AnotherTime {
        /// By how much.
        hours: u64,
    },
}

/// Knows the probes that were accepted lately, and accepts none of them again.
#[derive(Debug, Default)]
pub struct ProbeGuard {
    known: HashSet<Nonce>,
    /// The same, from the oldest on.
    order: VecDeque<Nonce>,
}

impl ProbeGuard {
    /// Whether to answer this datagram, whose header is a PROBE's, at this time.
    ///
    /// # Errors
    /// [`WrongProbe`] when it is to be passed over.
    pub fn check(&mut self, datagram: &[u8], key: &Key, now: WallClockTime) -> Result<(), WrongProbe> {
        let Invitation { nonce, sent } = Invitation::decode(datagram, key)?;
        let off = now.since(sent).max(sent.since(now));
        if off > TIME_OFF_MAX {
            return Err(WrongProbe::AnotherTime { hours: off.as_secs() / SECONDS_PER_HOUR });
        }
        if !self.known.insert(nonce) {
            return Err(WrongProbe::Repeated);
        }
        self.order.push_back(nonce);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, SessionId};

    const HOUR: i64 = 3_600_000_000_000;
    const NOW: WallClockTime = WallClockTime::from_nanos(1_000_000 * HOUR);

    fn key(letter: u8) -> Key {
        Key::from_secret(&[letter; 16]).unwrap()
    }

    fn probe(number: u32, sent: WallClockTime) -> Vec<u8> {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        Invitation { nonce, sent }.encode(SessionId(1), &key(b'a'))
    }

    fn check(guard: &mut ProbeGuard, datagram: &[u8]) -> Result<(), WrongProbe> {
        guard.check(datagram, &key(b'a'), NOW)
    }

    #[test]
    fn a_probe_is_accepted_once() {
        let mut guard = ProbeGuard::default();
        assert_eq!(check(&mut guard, &probe(1, NOW)), Ok(()));
        assert_eq!(check(&mut guard, &probe(2, NOW)), Ok(()));
        assert_eq!(check(&mut guard, &probe(1, NOW)), Err(WrongProbe::Repeated));
    }

    #[test]
    fn one_of_a_stranger_is_not() {
        let mut guard = ProbeGuard::default();
        let plain = Frame::bare(crate::wire::Command::Probe).encode(SessionId(1));
        assert_eq!(check(&mut guard, &plain), Err(WrongProbe::Unsigned));
        assert_eq!(guard.check(&probe(1, NOW), &key(b'b'), NOW), Err(WrongProbe::OtherKey));
        assert_eq!(check(&mut guard, &probe(1, NOW)), Ok(()), "what was not accepted is not remembered");
    }

    #[test]
    fn clocks_may_be_wrong_by_any_time_zone_and_not_by_days() {
        let mut guard = ProbeGuard::default();
        let at = |hours: i64| WallClockTime::from_nanos(NOW.as_nanos() + hours * HOUR);
        for (number, hours) in (0..).zip([26, -26, 1]) {
            assert_eq!(check(&mut guard, &probe(number, at(hours))), Ok(()), "{hours} h");
        }
        for hours in [27_i64, -27, -1_000_000] {
            let off = WrongProbe::AnotherTime { hours: hours.unsigned_abs() };
            assert_eq!(check(&mut guard, &probe(9, at(hours))), Err(off));
        }
        let off = WrongProbe::AnotherTime { hours: 27 };
        assert_eq!(off.to_string(), "its time is 27 h off; set one of the clocks");
    }

    #[test]
    fn what_it_remembers_is_bounded() {
        let mut guard = ProbeGuard::default();
        for number in 0..5000 {
            assert_eq!(check(&mut guard, &probe(number, NOW)), Ok(()));
        }
        assert_eq!((guard.known.len(), guard.order.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(check(&mut guard, &probe(4999, NOW)), Err(WrongProbe::Repeated));
    }
}
