//! A slave as the user knows it.

use std::net::SocketAddr;

/// A slave as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlaveLabel {
    /// The slave's own name; of an original slave, which tells no name, its address.
    pub name: String,
    /// The address from which the slave is connected.
    pub address: SocketAddr,
}
