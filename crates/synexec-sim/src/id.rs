//! How the clients of a world are told apart.

use std::net::{Ipv4Addr, SocketAddr};

/// The number of a client, from 0, in the order in which a scenario adds the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientId(pub u8);

impl ClientId {
    /// The client's address. A report names the client's row by this address.
    pub fn address(self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::new(10, 0, 0, self.0 + 1), 40_000))
    }

    /// The place of the client in a list of all clients.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}
