//! Discovery: sends probes over UDP, by broadcast on each interface and by unicast to each target.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::sync::Arc;

use synexec_host::clock::wall_clock_now;
use synexec_host::interfaces::{self, Interface};
use synexec_host::random;
use synexec_proto::secure::{Invitation, Key};
use synexec_proto::transport::ProbeRoute;
use synexec_proto::wire::{Command, Frame, SessionId};
use thiserror::Error;

use crate::options::Options;

/// A host of `--target` without an IPv4 address.
#[derive(Debug, Error)]
#[error("no IPv4 address for the target {0}")]
pub struct TargetError(pub String);

/// Sends probes, to which slaves answer by connecting.
#[derive(Debug)]
pub struct Discovery {
    session: SessionId,
    /// Key that signs the probes, if the user gave one.
    key: Option<Arc<Key>>,
    port: u16,
    /// The only interface to use, if the user named one.
    interface: Option<Interface>,
    /// Whether probes go only to 255.255.255.255, and not to the broadcast address of each network.
    limited_only: bool,
    targets: Vec<SocketAddrV4>,
    /// Interfaces that were warned of; none stands for no interface at all.
    warned: HashSet<Option<String>>,
}

impl Discovery {
    /// Discovery as the user asked for it. Slaves listen on `port`; with a key, probes are signed.
    ///
    /// # Errors
    /// [`TargetError`]: a target has no IPv4 address.
    pub fn new(
        options: &Options,
        key: Option<Arc<Key>>,
        interface: Option<Interface>,
        port: u16,
    ) -> Result<Self, TargetError> {
        let targets: Result<Vec<_>, _> = options.targets.iter().map(|target| resolve(target, port)).collect();
        let session = options.common.session();
        let limited_only = options.broadcast;
        Ok(Self { session, key, port, interface, limited_only, targets: targets?, warned: HashSet::new() })
    }

    /// Sends one probe on each interface and to each target. Interfaces are looked up each time, since they may change.
    pub fn probe(&mut self) {
        let routes = self.routes();
        if routes.is_empty() && self.warned.insert(None) {
            log::warn!("no interface can broadcast; name one with --interface, or hosts with --target");
        }
        for route in routes {
            if let Err(error) = route.send_probe(|| self.datagram())
                && self.warned.insert(route.device.clone())
            {
                let how = route.device.as_ref().map_or("to a target".to_owned(), |device| format!("on {device}"));
                log::warn!("cannot send a probe {how}: {error}");
            }
        }
    }

    fn datagram(&self) -> io::Result<Vec<u8>> {
        let Some(key) = &self.key else { return Ok(Frame::bare(Command::Probe).encode(self.session)) };
        let invitation = Invitation { nonce: random::bytes()?, sent: wall_clock_now() };
        Ok(invitation.encode(self.session, key))
    }

    /// Where probes go now.
    pub fn routes(&self) -> Vec<ProbeRoute> {
        let interfaces = match &self.interface {
            Some(interface) => vec![interfaces::find(&interface.name).unwrap_or_else(|_| interface.clone())],
            None => broadcasting_interfaces(),
        };
        let broadcasts = interfaces.iter().map(|interface| self.broadcast_route(interface));
        let targets = (!self.targets.is_empty()).then(|| ProbeRoute {
            device: None,
            source: self.interface.as_ref().map_or(Ipv4Addr::UNSPECIFIED, |interface| interface.address),
            destinations: self.targets.clone(),
        });
        broadcasts.chain(targets).collect()
    }

    fn broadcast_route(&self, interface: &Interface) -> ProbeRoute {
        let limited = SocketAddrV4::new(Ipv4Addr::BROADCAST, self.port);
        let own = SocketAddrV4::new(interface.broadcast, self.port);
        let destinations = if self.limited_only { vec![limited] } else { vec![own, limited] };
        ProbeRoute { device: Some(interface.name.clone()), source: interface.address, destinations }
    }
}

fn broadcasting_interfaces() -> Vec<Interface> {
    let all = interfaces::list().unwrap_or_else(|error| {
        log::warn!("{error}");
        Vec::new()
    });
    all.into_iter().filter(|interface| interface.can_broadcast).collect()
}

fn resolve(target: &str, port: u16) -> Result<SocketAddrV4, TargetError> {
    let addresses = (target, port).to_socket_addrs().or_else(|_| target.to_socket_addrs());
    let ipv4 = addresses.ok().into_iter().flatten().find_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    });
    ipv4.ok_or_else(|| TargetError(target.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn routes(arguments: &[&str], interface: Interface) -> Vec<ProbeRoute> {
        let arguments = [&["synexec_master", "1", "conf"], arguments].concat();
        Discovery::new(&Options::parse_from(arguments), None, Some(interface), 5165).unwrap().routes()
    }

    fn eth7() -> Interface {
        let broadcast = Ipv4Addr::new(10, 1, 255, 255);
        Interface { name: "eth7".into(), address: Ipv4Addr::new(10, 1, 2, 3), broadcast, can_broadcast: true }
    }

    #[test]
    fn an_interface_is_probed_at_both_broadcast_addresses() {
        let [route] = &routes(&[], eth7())[..] else { panic!("one route") };
        assert_eq!(route.device.as_deref(), Some("eth7"));
        assert_eq!(route.source, Ipv4Addr::new(10, 1, 2, 3));
        let expected: [SocketAddrV4; 2] =
            ["10.1.255.255:5165".parse().unwrap(), "255.255.255.255:5165".parse().unwrap()];
        assert_eq!(route.destinations, expected);
    }

    #[test]
    fn broadcast_only_leaves_the_own_address_out() {
        let [route] = &routes(&["-b"], eth7())[..] else { panic!("one route") };
        assert_eq!(route.destinations, ["255.255.255.255:5165".parse().unwrap()]);
    }

    #[test]
    fn targets_are_probed_too_at_their_port_or_ours() {
        let [_, route] = &routes(&["-t", "127.0.0.9", "-t", "127.0.0.8:77"], eth7())[..] else { panic!("two routes") };
        assert_eq!(route.destinations, ["127.0.0.9:5165".parse().unwrap(), "127.0.0.8:77".parse().unwrap()]);
        assert!(resolve("no.such.host.invalid", 1).is_err());
    }
}
