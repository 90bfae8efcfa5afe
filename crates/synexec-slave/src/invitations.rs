//! Which probes are answered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use synexec_host::allow::Allowed;
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

/// Takes probes, and tells its user, once for each sender, why it does not answer.
#[derive(Debug)]
pub struct Invitations {
    session: SessionId,
    key: Option<Arc<Key>>,
    allowed: Allowed,
    guard: ProbeGuard,
    told: SeenBefore<(IpAddr, Unwanted)>,
}

impl Invitations {
    /// Invitations to a session, from these addresses, and with the key where there is one.
    pub fn new(session: SessionId, key: Option<Arc<Key>>, allowed: Allowed) -> Self {
        Self { session, key, allowed, guard: ProbeGuard::default(), told: SeenBefore::default() }
    }

    /// Whether to answer a datagram.
    pub fn accept(&mut self, datagram: &[u8], sender: SocketAddr) -> bool {
        if !Header::invites_to(datagram, self.session) {
            return false;
        }
        let checked = self.check(datagram, sender.ip());
        if let Err(why) = checked
            && self.told.insert((sender.ip(), why))
        {
            log::warn!("a probe of {} is not answered: {why}", sender.ip());
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
