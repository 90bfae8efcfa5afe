//! The network interfaces that discovery uses: those that are up and have an IPv4 address.

use std::net::Ipv4Addr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;
use thiserror::Error;

/// One IPv4 address of one interface that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name of the interface.
    pub name: String,
    /// The IPv4 address of the interface.
    pub address: Ipv4Addr,
    /// The broadcast address of its network.
    pub broadcast: Ipv4Addr,
    /// Whether the interface has the broadcast flag. Loopback has no broadcast flag, but has a broadcast address.
    pub can_broadcast: bool,
}

/// Why an interface cannot be used.
#[derive(Debug, Error)]
pub enum InterfaceError {
    /// The kernel did not list the interfaces.
    #[error("cannot list the network interfaces: {0}")]
    List(nix::Error),
    /// No interface of this name is up and has an IPv4 address.
    #[error("there is no interface `{name}`; those that are up and have an IPv4 address are: {known}")]
    Unknown {
        /// The name that was looked for.
        name: String,
        /// The names of the interfaces that are up and have an IPv4 address, separated by commas.
        known: String,
    },
}

/// All IPv4 addresses of all interfaces that are up.
///
/// # Errors
/// [`InterfaceError::List`] when the kernel does not list the interfaces.
pub fn list() -> Result<Vec<Interface>, InterfaceError> {
    Ok(getifaddrs().map_err(InterfaceError::List)?.filter_map(|entry| from_entry(&entry)).collect())
}

/// The first IPv4 address of the interface with this name.
///
/// # Errors
/// [`InterfaceError::Unknown`], which names the interfaces that exist, when there is no such interface;
/// [`InterfaceError::List`] when the kernel does not list the interfaces.
pub fn find(name: &str) -> Result<Interface, InterfaceError> {
    let all = list()?;
    let known = || all.iter().map(|interface| interface.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = all.iter().find(|interface| interface.name == name).cloned();
    found.ok_or_else(|| InterfaceError::Unknown { name: name.to_owned(), known: known() })
}

/// The number of the interface with this name. An interface that is removed and made again has another number.
pub fn index(name: &str) -> Option<u32> {
    if_nametoindex(name).ok()
}

fn from_entry(entry: &InterfaceAddress) -> Option<Interface> {
    if !entry.flags.contains(InterfaceFlags::IFF_UP) {
        return None;
    }
    let address = ipv4(entry.address.as_ref()?)?;
    let netmask = ipv4(entry.netmask.as_ref()?)?;
    let can_broadcast = entry.flags.contains(InterfaceFlags::IFF_BROADCAST);
    let own_broadcast = entry.broadcast.as_ref().and_then(ipv4).filter(|_| can_broadcast);
    let broadcast = own_broadcast.unwrap_or_else(|| network_broadcast(address, netmask));
    Some(Interface { name: entry.interface_name.clone(), address, broadcast, can_broadcast })
}

fn ipv4(address: &SockaddrStorage) -> Option<Ipv4Addr> {
    address.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::ip)
}

fn network_broadcast(address: Ipv4Addr, netmask: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() | !netmask.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_with_its_broadcast_address() {
        let loopback = find("lo").unwrap();
        assert_eq!(loopback.address, Ipv4Addr::LOCALHOST);
        assert_eq!(loopback.broadcast, Ipv4Addr::new(127, 255, 255, 255));
        assert!(!loopback.can_broadcast);
        assert!(index("lo").is_some() && index("nowhere0").is_none());
    }

    #[test]
    fn an_unknown_interface_is_answered_with_the_known_ones() {
        let error = find("nowhere0").unwrap_err().to_string();
        assert!(error.contains("nowhere0") && error.contains("lo"), "{error}");
    }
}
