//! Choosing the probes that the slave answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use synexec_host::allow::AllowedNetworks;
use synexec_host::clock::wall_clock_now;
use synexec_host::seen_before::SeenBefore;
use synexec_proto::secure::{Key, ProbeGuard, WrongProbe};
use synexec_proto::wire::{Header, SessionId};
use thiserror::Error;

/// Why a probe is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
enum Unwanted {
    #[error("it is not among the addresses of --allow")]
    NotAllowed,
    #[error(transparent)]
    Wrong(#[from] WrongProbe),
}

/// Checks probes. Tells the user why a probe is not answered, once for each sender and reason.
#[derive(Debug)]
pub struct Invitations {
    session: SessionId,
    key: Option<Arc<Key>>,
    allowed: AllowedNetworks,
    guard: ProbeGuard,
    told: SeenBefore<(IpAddr, Unwanted)>,
}

impl Invitations {
    /// Checks for probes of this session from these addresses, sealed with the key if there is one.
    pub fn new(session: SessionId, key: Option<Arc<Key>>, allowed: AllowedNetworks) -> Self {
        Self { session, key, allowed, guard: ProbeGuard::default(), told: SeenBefore::default() }
    }

    /// Checks a datagram; returns whether to answer it.
    pub fn accept(&mut self, datagram: &[u8], sender: SocketAddr) -> bool {
        if !Header::invites_to(datagram, self.session) {
            return false;
        }
        let checked = self.check(datagram, sender.ip());
        if let Err(why) = checked
            && self.told.insert((sender.ip(), why))
        {
            log::warn!("a probe from {} is not answered: {why}", sender.ip());
        }
        checked.is_ok()
    }

    fn check(&mut self, datagram: &[u8], sender: IpAddr) -> Result<(), Unwanted> {
        if !self.allowed.has(sender) {
            return Err(Unwanted::NotAllowed);
        }
        match &self.key {
            Some(key) => Ok(self.guard.check(datagram, key, wall_clock_now())?),
            None => Ok(()),
        }
    }
}
