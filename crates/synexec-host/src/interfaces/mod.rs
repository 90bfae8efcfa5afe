//! The network interfaces of this host: which of them a program may use, and when they change.

mod changes;
mod presence;
mod scope;

use std::cmp::Reverse;
use std::net::{Ipv4Addr, UdpSocket};

use ipnet::Ipv4Net;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

pub use presence::Presence;
pub use scope::{Missing, Scope};

/// A port to which a socket is connected that sends nothing.
const ANY_PORT: u16 = 9;

/// A network interface of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name, such as `eth0`. Labels of addresses, such as `eth0:1`, are no names.
    pub name: String,
    /// The kernel's number of the interface. An interface that is made anew under the same name has another number.
    pub index: usize,
    /// Whether the interface is up.
    pub is_up: bool,
    /// Whether this is loopback.
    pub is_loopback: bool,
    /// Whether the interface has the broadcast flag. Loopback has no broadcast flag, but has a broadcast address.
    pub can_broadcast: bool,
    /// The IPv4 addresses, in the order of the kernel.
    pub addresses: Vec<Address>,
}

/// An IPv4 address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address together with the length of its network's prefix.
    pub in_network: Ipv4Net,
    /// The broadcast address of the network.
    pub broadcast: Ipv4Addr,
}

impl Address {
    /// An address with the usual broadcast address of its network, the highest one.
    pub fn new(in_network: Ipv4Net) -> Self {
        Self { in_network, broadcast: in_network.broadcast() }
    }

    /// The address itself.
    pub fn ip(&self) -> Ipv4Addr {
        self.in_network.addr()
    }
}

impl Interface {
    /// Whether the interface is up and has an IPv4 address.
    pub fn is_usable(&self) -> bool {
        self.is_up && !self.addresses.is_empty()
    }

    /// One address for each network of the interface: the first one in each network.
    pub fn networks(&self) -> impl Iterator<Item = &Address> {
        let is_first = |at: usize, address: &Address| {
            self.addresses.iter().take(at).all(|earlier| earlier.in_network.trunc() != address.in_network.trunc())
        };
        self.addresses
            .iter()
            .enumerate()
            .filter(move |(at, address)| is_first(*at, address))
            .map(|(_, address)| address)
    }

    /// The address of this interface from which a peer is reached best: the one in the peer's network; or else the
    /// one that the kernel's routes choose, if this interface has it; or else the first one that is not link-local.
    /// None if the interface has no address.
    pub fn source_for(&self, peer: Ipv4Addr) -> Option<Ipv4Addr> {
        self.source(peer, || source_by_route(peer))
    }

    fn source(&self, peer: Ipv4Addr, by_route: impl FnOnce() -> Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let ips = || self.addresses.iter().map(Address::ip);
        let sharing = self.addresses.iter().filter(|address| address.in_network.contains(&peer));
        let nearest = sharing.min_by_key(|address| Reverse(address.in_network.prefix_len())).map(Address::ip);
        nearest
            .or_else(|| by_route().filter(|chosen| ips().any(|ip| ip == *chosen)))
            .or_else(|| ips().find(|ip| !ip.is_link_local()))
            .or_else(|| ips().next())
    }
}

/// The source address that the kernel's routes choose for a peer. Nothing is sent.
fn source_by_route(peer: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((peer, ANY_PORT)).ok()?;
    match socket.local_addr().ok()? {
        std::net::SocketAddr::V4(address) => Some(*address.ip()),
        std::net::SocketAddr::V6(_) => None,
    }
}

/// All interfaces, with those that are down or have no IPv4 address.
///
/// # Errors
/// The kernel does not list the interfaces.
pub fn list() -> nix::Result<Vec<Interface>> {
    Ok(grouped(getifaddrs()?))
}

/// The number of the interface with this name. An interface that is removed and made again has another number.
pub fn index(name: &str) -> Option<u32> {
    if_nametoindex(name).ok()
}

/// The interfaces with their addresses. The kernel lists each address of an interface by itself.
fn grouped(entries: impl Iterator<Item = InterfaceAddress>) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for entry in entries {
        let name = name_of(&entry);
        let at = interfaces.iter().position(|interface| interface.name == name).unwrap_or_else(|| {
            interfaces.push(without_addresses(name, entry.flags));
            interfaces.len() - 1
        });
        let Some(interface) = interfaces.get_mut(at) else { continue };
        if let Some(link) = entry.address.as_ref().and_then(SockaddrStorage::as_link_addr) {
            interface.index = link.ifindex();
        }
        interface.addresses.extend(ipv4_address(&entry));
    }
    interfaces
}

/// The kernel gives an address with a label under this label, such as `eth0:1`. The name of an interface has no colon.
fn name_of(entry: &InterfaceAddress) -> &str {
    entry.interface_name.split(':').next().unwrap_or_default()
}

fn without_addresses(name: &str, flags: InterfaceFlags) -> Interface {
    Interface {
        name: name.to_owned(),
        index: 0,
        is_up: flags.contains(InterfaceFlags::IFF_UP),
        is_loopback: flags.contains(InterfaceFlags::IFF_LOOPBACK),
        can_broadcast: flags.contains(InterfaceFlags::IFF_BROADCAST),
        addresses: Vec::new(),
    }
}

fn ipv4_address(entry: &InterfaceAddress) -> Option<Address> {
    let ip = ipv4(entry.address.as_ref()?)?;
    let in_network = Ipv4Net::with_netmask(ip, ipv4(entry.netmask.as_ref()?)?).ok()?;
    let can_broadcast = entry.flags.contains(InterfaceFlags::IFF_BROADCAST);
    let own_broadcast = entry.broadcast.as_ref().and_then(ipv4).filter(|_| can_broadcast);
    let usual = Address::new(in_network);
    Some(Address { broadcast: own_broadcast.unwrap_or(usual.broadcast), ..usual })
}

fn ipv4(address: &SockaddrStorage) -> Option<Ipv4Addr> {
    address.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(addresses: &[&str]) -> Interface {
        let addresses = addresses.iter().map(|address| Address::new(address.parse().unwrap()));
        Interface { addresses: addresses.collect(), ..without_addresses("eth7", InterfaceFlags::IFF_UP) }
    }

    fn ip(address: &str) -> Ipv4Addr {
        address.parse().unwrap()
    }

    #[test]
    fn loopback_is_known_with_its_broadcast_address() {
        let all = list().unwrap();
        let loopback = all.iter().find(|interface| interface.name == "lo").unwrap();
        assert_eq!(loopback.addresses[0].ip(), Ipv4Addr::LOCALHOST);
        assert_eq!(loopback.addresses[0].broadcast, Ipv4Addr::new(127, 255, 255, 255));
        assert!(loopback.is_loopback && loopback.is_usable() && !loopback.can_broadcast && loopback.index > 0);
    }

    #[test]
    fn a_peer_is_reached_from_the_address_in_its_network() {
        let nic = interface(&["169.254.7.7/16", "10.0.0.5/8", "10.1.0.5/16", "192.168.1.5/24"]);
        let from = |peer| nic.source(ip(peer), || panic!("no route is needed")).unwrap();
        assert_eq!(from("169.254.9.9"), ip("169.254.7.7"));
        assert_eq!(from("10.2.0.1"), ip("10.0.0.5"));
        assert_eq!(from("10.1.0.1"), ip("10.1.0.5"), "the smaller network");
        assert_eq!(from("192.168.1.1"), ip("192.168.1.5"));
    }

    #[test]
    fn a_peer_of_another_network_is_reached_as_the_routes_say_if_they_stay_on_the_interface() {
        let nic = interface(&["169.254.7.7/16", "10.0.0.5/24", "10.0.1.5/24"]);
        let from = |route: Option<&str>| nic.source(ip("172.16.0.1"), || route.map(ip));
        assert_eq!(from(Some("10.0.1.5")), Some(ip("10.0.1.5")));
        assert_eq!(from(Some("192.168.1.5")), Some(ip("10.0.0.5")), "the address of another interface");
        assert_eq!(from(None), Some(ip("10.0.0.5")), "no route");
        assert_eq!(interface(&["169.254.7.7/16"]).source(ip("10.0.0.1"), || None), Some(ip("169.254.7.7")));
        assert_eq!(interface(&[]).source(ip("10.0.0.1"), || None), None);
    }

    #[test]
    fn the_routes_reach_loopback_from_loopback() {
        assert_eq!(source_by_route(Ipv4Addr::LOCALHOST), Some(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn several_addresses_in_one_network_count_once() {
        let nic = interface(&["10.0.0.5/24", "10.0.0.6/24", "10.0.1.5/24", "10.0.0.7/25"]);
        let networks: Vec<_> = nic.networks().map(Address::ip).collect();
        assert_eq!(networks, [ip("10.0.0.5"), ip("10.0.1.5"), ip("10.0.0.7")]);
    }
}
