//! Discovery: sends probes over UDP, by broadcast on each interface and by unicast to each target.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use synexec_host::clock::wall_clock_now;
use synexec_host::host_port;
use synexec_host::interfaces::{Address, Interface, Scope};
use synexec_host::random;
use synexec_proto::secure::{Invitation, Key};
use synexec_proto::transport::ProbeRoute;
use synexec_proto::wire::{Command, Frame, SessionId};
use thiserror::Error;

use crate::options::Options;

/// A host of `--target` without an address to send probes to.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The look-up of the host failed.
    #[error("no address for the target {target}: {why}")]
    LookUp {
        /// The host.
        target: String,
        /// Error of the resolver.
        why: io::Error,
    },
    /// The host has only IPv6 addresses.
    #[error("no IPv4 address for the target {0}; only IPv4 is supported")]
    NoIpv4(String),
}

/// Sends probes, to which slaves answer by connecting.
#[derive(Debug)]
pub struct Discovery {
    session: SessionId,
    /// Key that signs the probes, if the user gave one.
    key: Option<Arc<Key>>,
    port: u16,
    /// The interfaces to use.
    scope: Scope,
    /// Whether probes go only to 255.255.255.255, and not to the broadcast address of each network.
    limited_only: bool,
    targets: Vec<SocketAddrV4>,
    /// Interfaces that were warned of; none stands for no interface at all, and for targets.
    warned: HashSet<Option<String>>,
}

impl Discovery {
    /// Discovery as the user asked for it. Slaves listen on `port`; with a key, probes are signed.
    ///
    /// # Errors
    /// [`TargetError`]: a target has no IPv4 address, or its look-up fails.
    pub fn new(options: &Options, key: Option<Arc<Key>>, port: u16) -> Result<Self, TargetError> {
        let targets: Result<Vec<_>, _> = options.targets.iter().map(|target| resolve(target, port)).collect();
        let (session, scope, limited_only) = (options.common.session(), options.common.scope(), options.broadcast);
        Ok(Self { session, key, port, scope, limited_only, targets: targets?.concat(), warned: HashSet::new() })
    }

    /// Sends one probe on each interface and to each target; returns where it went. Interfaces are looked up each time,
    /// since they may change. The thread that accepts connections tells the user if the master has to wait for an
    /// interface.
    pub fn probe(&mut self) -> Vec<ProbeRoute> {
        let found = self.scope.look();
        if found.is_err() && self.scope != Scope::All {
            return Vec::new();
        }
        let is_waiting = found.is_err();
        let routes = self.routes(&found.unwrap_or_default());
        if routes.is_empty() && !is_waiting && self.warned.insert(None) {
            log::warn!("no interface can broadcast; name one with --interface, or hosts with --target");
        }
        for route in &routes {
            if let Err(error) = route.send_probe(|| self.datagram())
                && self.warned.insert(route.device.clone())
            {
                let how = route.device.as_ref().map_or("to a target".to_owned(), |device| format!("on {device}"));
                log::warn!("cannot send a probe {how}: {error}");
            }
        }
        routes
    }

    fn datagram(&self) -> io::Result<Vec<u8>> {
        let Some(key) = &self.key else { return Ok(Frame::bare(Command::Probe).encode(self.session)) };
        let invitation = Invitation { nonce: random::bytes()?, sent: wall_clock_now() };
        Ok(invitation.encode(self.session, key))
    }

    fn routes(&self, interfaces: &[Interface]) -> Vec<ProbeRoute> {
        let is_named = self.scope != Scope::All;
        let broadcasting = interfaces.iter().filter(|interface| interface.can_broadcast || is_named);
        let broadcasts = broadcasting.flat_map(|interface| self.broadcast_routes(interface));
        let named = interfaces.first().filter(|_| is_named);
        let targets = self.targets.iter().map(|target| ProbeRoute {
            device: None,
            source: named.and_then(|interface| interface.source_for(*target.ip())).unwrap_or(Ipv4Addr::UNSPECIFIED),
            destinations: vec![*target],
        });
        broadcasts.chain(targets).collect()
    }

    /// A route for each network of the interface, from the master's own address in it: a slave may reach the master at
    /// only one of them.
    fn broadcast_routes(&self, interface: &Interface) -> Vec<ProbeRoute> {
        let limited = SocketAddrV4::new(Ipv4Addr::BROADCAST, self.port);
        let route = |address: &Address| ProbeRoute {
            device: Some(interface.name.clone()),
            source: address.ip(),
            destinations: if self.limited_only {
                vec![limited]
            } else {
                vec![SocketAddrV4::new(address.broadcast, self.port), limited]
            },
        };
        interface.networks().map(route).collect()
    }
}

/// All IPv4 addresses of a target. The slave may be reached at only one of them.
fn resolve(target: &str, port: u16) -> Result<Vec<SocketAddrV4>, TargetError> {
    let found =
        host_port::look_up(target, port).map_err(|why| TargetError::LookUp { target: target.to_owned(), why })?;
    if found.is_empty() { Err(TargetError::NoIpv4(target.to_owned())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn routes(arguments: &[&str], interfaces: &[Interface]) -> Vec<ProbeRoute> {
        let arguments = [&["synexec_master", "1", "conf"], arguments].concat();
        Discovery::new(&Options::parse_from(arguments), None, 5165).unwrap().routes(interfaces)
    }

    fn nic(name: &str, addresses: &[&str]) -> Interface {
        let addresses = addresses.iter().map(|address| Address::new(address.parse().unwrap())).collect();
        Interface { name: name.into(), index: 7, is_up: true, is_loopback: false, can_broadcast: true, addresses }
    }

    fn at(addresses: &[&str]) -> Vec<SocketAddrV4> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn an_interface_is_probed_at_both_broadcast_addresses() {
        let [route] = &routes(&[], &[nic("eth7", &["10.1.2.3/16"])])[..] else { panic!("one route") };
        assert_eq!(route.device.as_deref(), Some("eth7"));
        assert_eq!(route.source, Ipv4Addr::new(10, 1, 2, 3));
        assert_eq!(route.destinations, at(&["10.1.255.255:5165", "255.255.255.255:5165"]));
    }

    #[test]
    fn each_network_of_an_interface_is_probed_from_the_address_in_it() {
        let addresses = ["169.254.9.9/16", "10.1.2.3/16", "10.1.2.4/16"];
        for arguments in [&[][..], &["-i", "eth7"]] {
            let [local, real] = &routes(arguments, &[nic("eth7", &addresses)])[..] else { panic!("two routes") };
            assert_eq!(local.source, Ipv4Addr::new(169, 254, 9, 9));
            assert_eq!(local.destinations, at(&["169.254.255.255:5165", "255.255.255.255:5165"]));
            assert_eq!(real.source, Ipv4Addr::new(10, 1, 2, 3));
            assert_eq!(real.destinations, at(&["10.1.255.255:5165", "255.255.255.255:5165"]));
        }
    }

    #[test]
    fn an_interface_that_cannot_broadcast_is_used_only_if_it_is_named() {
        let tunnel = Interface { can_broadcast: false, ..nic("tun0", &["10.8.0.1/24"]) };
        assert_eq!(routes(&[], std::slice::from_ref(&tunnel)), []);
        assert_eq!(routes(&["-i", "tun0"], &[tunnel]).len(), 1);
    }

    #[test]
    fn broadcast_only_leaves_the_own_address_out() {
        let [route] = &routes(&["-b"], &[nic("eth7", &["10.1.2.3/16"])])[..] else { panic!("one route") };
        assert_eq!(route.destinations, at(&["255.255.255.255:5165"]));
    }

    #[test]
    fn targets_are_probed_too_at_their_port_or_ours() {
        let arguments = ["-t", "127.0.0.9", "-t", "127.0.0.8:77"];
        let routes = routes(&arguments, &[nic("eth7", &["10.1.2.3/16"])]);
        let [_, ours, theirs] = &routes[..] else { panic!("three routes") };
        assert_eq!(ours.destinations, at(&["127.0.0.9:5165"]));
        assert_eq!(theirs.destinations, at(&["127.0.0.8:77"]));
        assert_eq!(ours.source, Ipv4Addr::UNSPECIFIED);
    }

    #[test]
    fn a_target_without_an_address_is_told_with_the_reason() {
        // No resolver sends a query for a label of more than 63 letters.
        let unknown = "x".repeat(64);
        let error = resolve(&unknown, 1).unwrap_err().to_string();
        assert!(error.starts_with(&format!("no address for the target {unknown}: ")), "{error}");
        assert!(error.contains("lookup") && !error.contains("IPv4"), "{error}");
        let error = resolve("::1", 1).unwrap_err().to_string();
        assert_eq!(error, "no IPv4 address for the target ::1; only IPv4 is supported");
    }

    #[test]
    fn a_target_is_probed_from_the_address_in_its_network() {
        let nic = nic("eth7", &["169.254.9.9/16", "10.1.2.3/16", "10.2.2.3/16"]);
        let routes = routes(&["-i", "eth7", "-t", "10.2.0.7"], &[nic]);
        assert_eq!(routes.last().map(|route| route.source), Some(Ipv4Addr::new(10, 2, 2, 3)));
    }
}
