//! Choosing the probes that the slave answers.

use std::net::SocketAddr;
use std::sync::Arc;

use log::Level;
use synexec_host::allow::AllowedNetworks;
use synexec_host::log_limit::{self, Kind};
use synexec_host::probes::{ProbeCheck, Unwanted};
use synexec_proto::secure::{Key, WrongProbe};
use synexec_proto::wire::SessionId;

/// Checks probes. Tells the user why a probe is not answered, once for each sender and reason.
#[derive(Debug)]
pub struct Invitations(ProbeCheck);

impl Invitations {
    /// Checks for probes of this session from these addresses, signed with the key if there is one.
    pub fn new(session: SessionId, key: Option<Arc<Key>>, allowed: AllowedNetworks) -> Self {
        Self(ProbeCheck::new(session, key, allowed))
    }

    /// Checks a datagram; returns whether to answer it.
    pub fn accept(&mut self, datagram: &[u8], sender: SocketAddr) -> bool {
        let sender = sender.ip();
        match self.0.check(datagram, sender) {
            None => false,
            Some(Ok(())) => true,
            Some(Err(why)) => {
                let line = format!("a probe from {sender} is not answered: {why}");
                log_limit::tell(kind(why), Level::Warn, sender, line);
                false
            }
        }
    }
}

fn kind(why: Unwanted) -> Kind {
    Kind::of_strangers(match why {
        Unwanted::NotAllowed => "probes from addresses that --allow does not include",
        Unwanted::Wrong(WrongProbe::Unsigned) => "probes that are not signed with a key",
        Unwanted::Wrong(WrongProbe::OtherKey) => "probes that are signed with another key",
        Unwanted::Wrong(WrongProbe::Repeated) => "repeated probes",
        Unwanted::Wrong(WrongProbe::AnotherTime { .. }) => "probes of another time",
    })
}
