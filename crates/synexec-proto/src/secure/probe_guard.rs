//! The check that a slave with a key applies to probes.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::invitation::{Invitation, Nonce};
use super::{Key, WrongProbe};
use crate::time::WallClockTime;

/// Number of accepted probes that a guard remembers.
const REMEMBERED: usize = 4096;

/// Largest difference between the wall clocks of a master and a slave. The limit accepts a master with the key even if
/// one of the two clocks shows the time of another time zone.
const TIME_OFF_MAX: Duration = Duration::from_secs(26 * 60 * 60);

const SECONDS_PER_HOUR: u64 = 60 * 60;

/// Accepts each probe that is signed with the key once.
#[derive(Debug, Default)]
pub struct ProbeGuard {
    known: HashSet<Nonce>,
    /// The known probes, the oldest first.
    order: VecDeque<Nonce>,
}

impl ProbeGuard {
    /// Checks a datagram whose header is that of a PROBE. `now` is this host's time.
    ///
    /// # Errors
    /// [`WrongProbe`] when the slave does not answer the probe.
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
    use crate::wire::{Frame, SessionId, WireInteger};

    const HOUR: i64 = 3_600_000_000_000;
    const NOW: WallClockTime = WallClockTime::from_nanos(1_000_000 * HOUR);

    fn key(letter: u8) -> Key {
        Key::from_secret(&[letter; 16]).unwrap()
    }

    fn probe(number: u32, sent: WallClockTime) -> Vec<u8> {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&number.to_wire());
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
    fn a_probe_of_a_stranger_is_not_accepted() {
        let mut guard = ProbeGuard::default();
        let plain = Frame::bare(crate::wire::Command::Probe).encode(SessionId(1));
        assert_eq!(check(&mut guard, &plain), Err(WrongProbe::Unsigned));
        assert_eq!(guard.check(&probe(1, NOW), &key(b'b'), NOW), Err(WrongProbe::OtherKey));
        assert_eq!(check(&mut guard, &probe(1, NOW)), Ok(()), "the guard forgets a probe that it did not accept");
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
        assert_eq!(off.to_string(), "the clock of the probe's sender is 27 h off; set one of the clocks");
    }

    #[test]
    fn the_memory_of_the_guard_is_bounded() {
        let mut guard = ProbeGuard::default();
        for number in 0..5000 {
            assert_eq!(check(&mut guard, &probe(number, NOW)), Ok(()));
        }
        assert_eq!((guard.known.len(), guard.order.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(check(&mut guard, &probe(4999, NOW)), Err(WrongProbe::Repeated));
    }
}
