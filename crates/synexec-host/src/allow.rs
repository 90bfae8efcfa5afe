//! The addresses that may connect, from the option `--allow`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use thiserror::Error;

/// The error for text that is neither an address nor a network.
#[derive(Debug, Error)]
#[error("expected an IPv4 address or a network such as 10.1.0.0/16")]
pub struct InvalidNetwork;

/// The networks whose addresses are allowed. An empty list allows every address.
#[derive(Debug, Clone, Default)]
pub struct AllowedNetworks(Vec<Ipv4Net>);

impl AllowedNetworks {
    /// Allows the addresses of these networks, or every address if the list is empty.
    pub fn new(networks: &[Ipv4Net]) -> Self {
        Self(networks.to_vec())
    }

    /// Whether this address is allowed.
    pub fn has(&self, address: IpAddr) -> bool {
        let is_in = |network: &Ipv4Net| matches!(address, IpAddr::V4(address) if network.contains(&address));
        self.0.is_empty() || self.0.iter().any(is_in)
    }
}

/// Parses a network. A single address means the network of that address alone.
pub(crate) fn parse(text: &str) -> Result<Ipv4Net, InvalidNetwork> {
    let address = text.parse::<Ipv4Addr>().map(Ipv4Net::from);
    address.or_else(|_| text.parse()).map_err(|_| InvalidNetwork)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(networks: &[&str]) -> AllowedNetworks {
        AllowedNetworks(networks.iter().map(|network| parse(network).unwrap()).collect())
    }

    fn has(networks: &[&str], address: &str) -> bool {
        allowed(networks).has(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_allowed_in_any_of_the_networks() {
        assert!(has(&["10.1.0.0/16", "192.168.7.9"], "10.1.255.3"));
        assert!(has(&["10.1.0.0/16", "192.168.7.9"], "192.168.7.9"));
        assert!(!has(&["10.1.0.0/16", "192.168.7.9"], "192.168.7.8"));
        assert!(has(&["10.1.2.3/16"], "10.1.9.9"), "the host part of the network is ignored");
        assert!(!has(&["10.0.0.0/8"], "::1"));
    }

    #[test]
    fn no_network_and_the_network_of_all_addresses_allow_every_address() {
        assert!(has(&[], "10.1.2.3") && has(&["0.0.0.0/0"], "10.1.2.3"));
    }

    #[test]
    fn text_that_is_no_network_is_an_error() {
        for text in ["", "10.1", "10.1.2.3/33", "10.1.2.3/", "host", "::1/64"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
