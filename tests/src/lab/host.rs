//! A host of the lab.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::network::Address;
use super::port::Port;
use super::switch::Switch;
use super::tap::Tap;
use super::wire::Wire;
use super::{Capture, Namespace, Network, Occupant, connections, loss, occupants, tools};

/// A host with its own network and a scratch directory. It shares files, pids and clocks with the machine.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    switch: Arc<Switch>,
    ports: Vec<Port>,
    delayed: AtomicBool,
    scratch: TempDir,
}

impl Host {
    pub(super) fn new(switch: Arc<Switch>, ports: Vec<Port>) -> Result<Self> {
        let scratch = TempDir::new().context("no scratch directory")?;
        Ok(Self { namespace: Namespace::new()?, switch, ports, delayed: AtomicBool::new(false), scratch })
    }

    /// The host's address in the first of its networks.
    pub fn address(&self) -> Ipv4Addr {
        self.ports[0].address.ip
    }

    /// The host's address in the network.
    ///
    /// # Errors
    ///
    /// If the host is not in the network.
    pub fn address_in(&self, network: &Network) -> Result<Ipv4Addr> {
        let port = self.ports.iter().find(|port| port.bridge == network.bridge());
        Ok(port.with_context(|| format!("this host is not in {network:?}"))?.address.ip)
    }

    /// A directory for the host's files, removed with the host.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// A command for [`Process::spawn`] that runs the program on the host, in the scratch directory.
    ///
    /// To give the program its own clock, run `unshare --time --monotonic SECONDS -- PROGRAM`. The pid is still the
    /// program's.
    ///
    /// [`Process::spawn`]: crate::process::Process::spawn
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.namespace.command(program);
        command.current_dir(self.dir());
        command
    }

    /// Runs the function on a thread of the host. Sockets made there stay there.
    ///
    /// # Errors
    ///
    /// The error of the function, or the reason why the thread cannot enter the host.
    pub fn enter<T, E>(&self, inside: impl FnOnce() -> Result<T, E> + Send) -> Result<T>
    where
        T: Send,
        E: Into<Error>,
    {
        self.namespace.enter(inside)
    }

    /// Cuts all wires of the host. The host notices only silence: its interfaces stay up.
    ///
    /// # Errors
    ///
    /// If `bridge` fails.
    pub fn cut(&self) -> Result<()> {
        self.set_bridge_state(0)
    }

    /// Mends the wires that [`Host::cut`] has cut.
    ///
    /// # Errors
    ///
    /// If `bridge` fails.
    pub fn restore(&self) -> Result<()> {
        self.set_bridge_state(3)
    }

    /// Removes the host's interfaces, as when its network cards are unplugged or its driver is loaded anew.
    ///
    /// # Errors
    ///
    /// If `ip` fails.
    pub fn unplug(&self) -> Result<()> {
        self.on_ports("ip", |port| format!("link delete {}\n", port.plug()))
    }

    /// Makes the interfaces that [`Host::unplug`] has removed anew, with their names and addresses.
    ///
    /// # Errors
    ///
    /// If `ip` fails.
    pub fn plug(&self) -> Result<()> {
        let switch = &self.switch.namespace;
        tools::batch(switch, "ip", &self.plugging())?;
        self.configure()?;
        tools::wait_until_forwarding(switch, &self.ports.iter().map(Port::plug).collect::<Vec<_>>())
    }

    /// Makes `ip` carry out these commands on the host, one a line: `address flush dev eth0`.
    ///
    /// # Errors
    ///
    /// If `ip` fails.
    pub fn ip(&self, commands: &str) -> Result<()> {
        tools::batch(&self.namespace, "ip", commands)
    }

    /// Limits the traffic to the host, on each wire, to a rate in the notation of `tc`, such as `1mbit`. Packets that
    /// would wait longer than 50 ms are dropped. Traffic from the host is not limited.
    ///
    /// # Errors
    ///
    /// If `tc` fails.
    pub fn limit_rate(&self, rate: &str) -> Result<()> {
        let bucket = format!("root tbf rate {rate} burst 16kb latency 50ms");
        self.on_ports("tc", |port| format!("qdisc replace dev {} {bucket}\n", port.plug()))
    }

    /// Adds this delay to all wires of the host, each way. On an idle machine, frames take a few tens of microseconds
    /// more. Frames stay in order. Zero leaves the wires as they are.
    ///
    /// Frames that cross during the call are lost, and cut wires are mended. The wires of a delayed host are cut at
    /// the far end: frames that are under way to the host still arrive. A rate limit applies at the near end.
    ///
    /// # Errors
    ///
    /// [`Missing`] if there is no `ethtool`. Also if the host is already delayed, or the wires cannot be made.
    ///
    /// [`Missing`]: super::missing::Missing
    pub fn delay(&self, each_way: Duration) -> Result<()> {
        if each_way.is_zero() {
            return Ok(());
        }
        (0..self.ports.len()).try_for_each(|eth| tools::plain_frames(&self.namespace, &format!("eth{eth}")))?;
        ensure!(!self.delayed.swap(true, Ordering::Relaxed), "this host is delayed already");
        self.on_ports("ip", Port::relaying)?;
        self.switch.courier.serve(self.wires(each_way)?)?;
        let bridged: Vec<_> = self.ports.iter().map(Port::relay_plug).collect();
        tools::wait_until_forwarding(&self.switch.namespace, &bridged)
    }

    /// Captures all frames that cross the host's first wire from now on.
    ///
    /// # Errors
    ///
    /// If no socket can be opened.
    pub fn capture(&self) -> Result<Capture> {
        let plug = self.ports[0].plug();
        Ok(Capture::new(self.switch.namespace.enter(|| Tap::new(&plug))?))
    }

    /// Loses this percentage of frames at random, each way, on each wire, from now on. Zero ends the loss. A frame is
    /// lost on the wire: neither end is told. If the host is to be delayed as well, delay it first.
    ///
    /// # Errors
    ///
    /// [`Missing`] if there is no `nft`, or the error of `nft`.
    ///
    /// [`Missing`]: super::missing::Missing
    pub fn lose(&self, percent: u8) -> Result<()> {
        for (eth, port) in self.ports.iter().enumerate() {
            loss::lose(&self.namespace, &format!("eth{eth}"), percent)?;
            loss::lose(&self.switch.namespace, &self.bridged(port), percent)?;
        }
        Ok(())
    }

    /// Pauses the host as a hypervisor does: none of its processes runs, and its kernel does not answer.
    ///
    /// # Errors
    ///
    /// If `bridge` fails, or there is no `/proc`.
    pub fn pause(&self) -> Result<()> {
        self.cut()?;
        occupants::stop(&self.namespace)
    }

    /// Resumes the host after [`Host::pause`].
    ///
    /// # Errors
    ///
    /// If `bridge` fails, or there is no `/proc`.
    pub fn resume(&self) -> Result<()> {
        self.restore()?;
        occupants::signal(&self.namespace, Signal::SIGCONT).map(drop)
    }

    /// The processes that run on the host, without zombies.
    ///
    /// # Errors
    ///
    /// If there is no `/proc`.
    pub fn occupants(&self) -> Result<Vec<Occupant>> {
        occupants::all(&self.namespace)
    }

    /// Resets all TCP connections of the host, as a router does that has lost its state. The other end receives the
    /// reset if the wires are whole. Returns the number of connections.
    ///
    /// # Errors
    ///
    /// [`Missing`] if the kernel cannot reset connections. Also if there is no `ss`.
    ///
    /// [`Missing`]: super::missing::Missing
    pub fn reset_connections(&self) -> Result<usize> {
        connections::reset(&self.namespace)
    }

    /// Drops all later packets of the host's present TCP connections in both directions, as a firewall does that has
    /// forgotten them. Neither end is told, and new connections work. Returns the number of connections. If the host is
    /// to be delayed as well, delay it first.
    ///
    /// # Errors
    ///
    /// [`Missing`] if there is no `nft`. Also if there is no `ss`.
    ///
    /// [`Missing`]: super::missing::Missing
    pub fn forget_connections(&self) -> Result<usize> {
        let outwards = connections::addresses(&self.namespace)?;
        let inwards: Vec<_> = outwards.iter().map(|(local, remote)| (*remote, *local)).collect();
        for (eth, port) in self.ports.iter().enumerate() {
            loss::forget(&self.namespace, &format!("eth{eth}"), &inwards)?;
            loss::forget(&self.switch.namespace, &self.bridged(port), &outwards)?;
        }
        Ok(outwards.len())
    }

    /// Replaces the host's address in the first of its networks by another one of this network, as DHCP may do.
    /// Connections of the old address go on silently to nowhere. [`Host::address`] still gives the old address.
    ///
    /// # Errors
    ///
    /// If the network is full, or `ip` fails.
    pub fn readdress(&self, network: &Network) -> Result<Ipv4Addr> {
        let Address { ip, prefix } = network.take()?;
        let old = self.ports[0].address.ip;
        let script = format!(
            "address add {ip}/{prefix} brd + dev eth0\n\
             address delete {old}/{prefix} dev eth0\n\
             address replace {ip}/{prefix} brd + dev eth0\n"
        );
        tools::batch(&self.namespace, "ip", &script)?;
        Ok(ip)
    }

    /// Number of established TCP connections of the host.
    ///
    /// # Errors
    ///
    /// If there is no `ss`.
    pub fn connections(&self) -> Result<usize> {
        connections::standing(&self.namespace)
    }

    /// Bytes that the host's TCP connections have sent or queued, and that are not acknowledged.
    ///
    /// # Errors
    ///
    /// If there is no `ss`.
    pub fn unacknowledged(&self) -> Result<u64> {
        connections::unacknowledged(&self.namespace)
    }

    pub(super) fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// The lines for `ip` on the switch that connect the host. The far ends appear right inside the host.
    pub(super) fn plugging(&self) -> String {
        let inside = self.namespace.path();
        self.lines(|number, port| {
            let (plug, bridge) = (port.plug(), &port.bridge);
            format!(
                "link add {plug} master {bridge} type veth peer name eth{number} netns {inside}\n\
                 link set {plug} addrgenmode none up\n"
            )
        })
    }

    /// Sets up the host's own ends. IPv6 stays off, because its packets would mix with the tested traffic.
    pub(super) fn configure(&self) -> Result<()> {
        let links = self.lines(|number, Port { address: Address { ip, prefix }, .. }| {
            format!(
                "address add {ip}/{prefix} brd + dev eth{number}\n\
                 link set eth{number} addrgenmode none up\n"
            )
        });
        tools::batch(&self.namespace, "ip", &format!("link set lo up\n{links}"))
    }

    fn lines(&self, line: impl Fn(usize, &Port) -> String) -> String {
        self.ports.iter().enumerate().map(|(number, port)| line(number, port)).collect()
    }

    fn wires(&self, delay: Duration) -> Result<Vec<Wire>> {
        let switch = &self.switch.namespace;
        let wire = |port: &Port| {
            tools::plain_frames(switch, &port.relay_plug())?;
            Wire::new(switch, [&port.plug(), &port.relay()], delay)
        };
        self.ports.iter().map(wire).collect()
    }

    fn set_bridge_state(&self, state: u8) -> Result<()> {
        self.on_ports("bridge", |port| format!("link set dev {} state {state}\n", self.bridged(port)))
    }

    /// The interface that connects the host to the bridge.
    fn bridged(&self, port: &Port) -> String {
        if self.delayed.load(Ordering::Relaxed) { port.relay_plug() } else { port.plug() }
    }

    fn on_ports(&self, tool: &str, line: impl Fn(&Port) -> String) -> Result<()> {
        tools::batch(&self.switch.namespace, tool, &self.lines(|_, port| line(port)))
    }
}
