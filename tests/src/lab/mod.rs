//! A lab: hosts as network namespaces, joined by bridges in a namespace that is the lab's switch.
//!
//! The lab never touches the machine's own network namespace, not even while it is built. No namespace has a name or a
//! process of its own: a file descriptor of the test process holds each. When the test process ends, the kernel
//! removes the whole lab. To look inside from a shell: `nsenter --net=/proc/PID/fd/FD`.

mod capture;
mod connections;
mod courier;
mod early_boot;
pub mod harness;
mod host;
mod loss;
pub mod missing;
mod namespace;
mod network;
mod occupants;
mod port;
mod preload;
mod small_disk;
mod switch;
mod tap;
mod tools;
mod wall_clock;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};

pub use self::capture::{Capture, Packet};
pub use self::early_boot::EarlyBoot;
pub use self::host::Host;
pub use self::namespace::Namespace;
pub use self::network::Network;
pub use self::occupants::Occupant;
pub use self::small_disk::SmallDisk;
pub use self::wall_clock::WallClock;

use self::port::Port;
use self::switch::Switch;

/// Networks and hosts that only this test sees. They are removed when the lab and all its hosts are dropped.
#[derive(Debug)]
pub struct Lab {
    switch: Arc<Switch>,
    bridges: AtomicUsize,
    ports: AtomicUsize,
}

impl Lab {
    /// An empty lab.
    ///
    /// # Errors
    ///
    /// If this process may not make network namespaces. [`harness::main`] provides this right.
    pub fn new() -> Result<Self> {
        let switch = Arc::new(Switch::new()?);
        Ok(Self { switch, bridges: AtomicUsize::new(0), ports: AtomicUsize::new(0) })
    }

    /// Adds a network, such as `10.77.1.0/24`, which hosts can then be connected to.
    ///
    /// # Errors
    ///
    /// If the subnet is invalid, or the bridge cannot be made.
    pub fn network(&self, subnet: &str) -> Result<Network> {
        let network = Network::new(subnet, next(&self.bridges))?;
        let bridge = network.bridge();
        let script = format!(
            "link add {bridge} type bridge mcast_snooping 0\n\
             link set {bridge} addrgenmode none up\n"
        );
        tools::batch(&self.switch.namespace, "ip", &script)?;
        Ok(network)
    }

    /// Adds a host that has one interface in each of the networks: eth0 in the first, eth1 in the second.
    ///
    /// # Errors
    ///
    /// See [`Lab::hosts`].
    pub fn host(&self, networks: &[&Network]) -> Result<Host> {
        self.hosts(1, networks)?.pop().context("no host was made")
    }

    /// Adds many equal hosts, faster than one by one. When the call returns, each host reaches all others.
    ///
    /// # Errors
    ///
    /// If the list of networks is empty, a network has no address left, or a host cannot be made.
    pub fn hosts(&self, count: usize, networks: &[&Network]) -> Result<Vec<Host>> {
        ensure!(!networks.is_empty(), "a host needs a network");
        let hosts = (0..count).map(|_| self.unplugged(networks)).collect::<Result<Vec<_>>>()?;
        let plugging: String = hosts.iter().map(Host::plugging).collect();
        tools::batch(&self.switch.namespace, "ip", &plugging)?;
        hosts.iter().try_for_each(Host::configure)?;
        let plugs = hosts.iter().flat_map(Host::ports).map(Port::plug).collect::<Vec<_>>();
        tools::wait_until_forwarding(&self.switch.namespace, &plugs)?;
        Ok(hosts)
    }

    /// The namespace that all traffic crosses: port N is interface `vN`, and the bridges are `br1`, `br2`, ..
    /// The `vN` of a delayed host is not on the bridge. It is wired to `wN`, and the other end `xN` is on the bridge.
    pub fn switch(&self) -> &Namespace {
        &self.switch.namespace
    }

    fn unplugged(&self, networks: &[&Network]) -> Result<Host> {
        let port = |network: &&Network| {
            Ok(Port { number: next(&self.ports), bridge: network.bridge().to_owned(), address: network.take()? })
        };
        let ports = networks.iter().map(port).collect::<Result<_>>()?;
        Host::new(Arc::clone(&self.switch), ports)
    }
}

fn next(counter: &AtomicUsize) -> usize {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}
