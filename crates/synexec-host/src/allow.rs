//! From where a master may command, and from where slaves may join.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use thiserror::Error;

/// What is no address and no network.
#[derive(Debug, Error)]
#[error("an IPv4 address or a network such as 10.1.0.0/16 is wanted")]
pub struct NoNetwork;

/// The addresses that are allowed; all of them where none is named.
#[derive(Debug, Clone, Default)]
pub struct Allowed(Vec<Ipv4Net>);

impl Allowed {
    /// Those of these networks.
    pub fn new(networks: &[Ipv4Net]) -> Self {
        Self(networks.to_vec())
    }

    /// Whether this address is among them.
    pub fn has(&self, address: IpAddr) -> bool {
        let is_in = |network: &Ipv4Net| matches!(address, IpAddr::V4(address) if network.contains(&address));
        self.0.is_empty() || self.0.iter().any(is_in)
    }
}

/// Reads a network; an address alone is one of its own.
pub(crate) fn parse(text: &str) -> Result<Ipv4Net, NoNetwork> {
    let address = text.parse::<Ipv4Addr>().map(Ipv4Net::from);
    address.or_else(|_| text.parse()).map_err(|_| NoNetwork)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(networks: &[&str]) -> Allowed {
        Allowed(networks.iter().map(|network| parse(network).unwrap()).collect())
    }

    fn has(networks: &[&str], address: &str) -> bool {
        allowed(networks).has(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_allowed_in_any_of_the_networks() {
        assert!(has(&["10.1.0.0/16", "192.168.7.9"], "10.1.255.3"));
        assert!(has(&["10.1.0.0/16", "192.168.7.9"], "192.168.7.9"));
        assert!(!has(&["10.1.0.0/16", "192.168.7.9"], "192.168.7.8"));
        assert!(has(&["10.1.2.3/16"], "10.1.9.9"), "bits of the host count for nothing");
        assert!(!has(&["10.0.0.0/8"], "::1"));
    }

    #[test]
    fn without_a_network_all_are_allowed_and_with_all_of_them_too() {
        assert!(has(&[], "10.1.2.3") && has(&["0.0.0.0/0"], "10.1.2.3"));
    }

    #[test]
    fn what_is_no_network_is_an_error() {
        for text in ["", "10.1", "10.1.2.3/33", "10.1.2.3/", "host", "::1/64"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
