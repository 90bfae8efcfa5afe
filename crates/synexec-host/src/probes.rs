//! Which probes count: those of this session, from an allowed address, and signed with the key if there is one.

use std::net::IpAddr;
use std::sync::Arc;

use synexec_proto::secure::{Key, ProbeGuard, WrongProbe};
use synexec_proto::wire::{Header, SessionId};
use thiserror::Error;

use crate::allow::AllowedNetworks;
use crate::clock::wall_clock_now;

/// Why a probe of this session does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unwanted {
    /// The address of its sender is not allowed.
    #[error("it is not among the addresses of --allow")]
    NotAllowed,
    /// The probe is not signed with the key, or repeats an earlier probe.
    #[error(transparent)]
    Wrong(#[from] WrongProbe),
}

/// Checks datagrams. Each signed probe counts once.
#[derive(Debug)]
pub struct ProbeCheck {
    session: SessionId,
    key: Option<Arc<Key>>,
    allowed: AllowedNetworks,
    guard: ProbeGuard,
}

impl ProbeCheck {
    /// Checks for probes of this session from these addresses, signed with the key if there is one.
    #[must_use]
    pub fn new(session: SessionId, key: Option<Arc<Key>>, allowed: AllowedNetworks) -> Self {
        Self { session, key, allowed, guard: ProbeGuard::default() }
    }

    /// Checks a datagram from this address. Returns none if the datagram is no probe of this session.
    ///
    /// # Errors
    /// [`Unwanted`] if the probe does not count.
    pub fn check(&mut self, datagram: &[u8], sender: IpAddr) -> Option<Result<(), Unwanted>> {
        Header::invites_to(datagram, self.session).then(|| self.check_probe(datagram, sender))
    }

    fn check_probe(&mut self, datagram: &[u8], sender: IpAddr) -> Result<(), Unwanted> {
        if !self.allowed.has(sender) {
            return Err(Unwanted::NotAllowed);
        }
        match &self.key {
            Some(key) => Ok(self.guard.check(datagram, key, wall_clock_now())?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use synexec_proto::secure::Invitation;
    use synexec_proto::wire::{Command, Frame};

    use super::*;

    const SESSION: SessionId = SessionId(7);

    fn key(letter: u8) -> Key {
        Key::from_secret(&[letter; 16]).unwrap()
    }

    fn check_of(key: Option<Key>, allowed: &str) -> ProbeCheck {
        let networks = AllowedNetworks::new(&[crate::allow::parse(allowed).unwrap()]);
        ProbeCheck::new(SESSION, key.map(Arc::new), networks)
    }

    fn signed(number: u8, letter: u8) -> Vec<u8> {
        Invitation { nonce: [number; 16], sent: wall_clock_now() }.encode(SESSION, &key(letter))
    }

    #[test]
    fn a_probe_of_this_session_from_an_allowed_address_counts() {
        let mut probes = check_of(None, "10.1.0.0/16");
        let [near, far] = ["10.1.2.3", "10.2.0.1"].map(|address| address.parse().unwrap());
        let plain = Frame::bare(Command::Probe).encode(SESSION);
        assert_eq!(probes.check(&plain, near), Some(Ok(())));
        assert_eq!(probes.check(&plain, far), Some(Err(Unwanted::NotAllowed)));
        assert_eq!(probes.check(&plain[..5], near), None);
        assert_eq!(probes.check(&Frame::bare(Command::Probe).encode(SessionId(8)), near), None);
    }

    #[test]
    fn with_a_key_only_new_probes_with_this_key_count() {
        let mut probes = check_of(Some(key(b'a')), "0.0.0.0/0");
        let mut check = |datagram: &[u8]| probes.check(datagram, [10, 1, 2, 3].into());
        assert_eq!(check(&signed(1, b'a')), Some(Ok(())));
        assert_eq!(check(&signed(1, b'a')), Some(Err(WrongProbe::Repeated.into())));
        assert_eq!(check(&signed(2, b'b')), Some(Err(WrongProbe::OtherKey.into())));
        let plain = Frame::bare(Command::Probe).encode(SESSION);
        assert_eq!(check(&plain), Some(Err(WrongProbe::Unsigned.into())));
    }
}
