//! A host of the lab.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Error, Result};
use tempfile::TempDir;

use super::network::Address;
use super::{Namespace, Network, tools};

/// A machine of its own as far as the network goes, with a scratch directory; files, pids and clocks are the machine's.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    switch: Arc<Namespace>,
    ports: Vec<Port>,
    scratch: TempDir,
}

/// Where a host is plugged into the switch. The n-th port is the other end of the host's ethN.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) bridge: String,
    pub(super) address: Address,
}

impl Host {
    pub(super) fn new(switch: Arc<Namespace>, ports: Vec<Port>) -> Result<Self> {
        let scratch = TempDir::new().context("no scratch directory")?;
        Ok(Self { namespace: Namespace::new()?, switch, ports, scratch })
    }

    /// The host's address in the first of its networks.
    pub fn address(&self) -> Ipv4Addr {
        self.ports[0].address.ip
    }

    /// The host's address in the network.
    ///
    /// # Errors
    ///
    /// Where the host is not in it.
    pub fn address_in(&self, network: &Network) -> Result<Ipv4Addr> {
        let port = self.ports.iter().find(|port| port.bridge == network.bridge());
        Ok(port.with_context(|| format!("this host is not in {network:?}"))?.address.ip)
    }

    /// A directory for the host's files, which goes with the host.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// A command that runs the program on the host, in its scratch directory; made for [`Process::spawn`].
    ///
    /// For a clock of its own run `unshare --time --monotonic SECONDS -- PROGRAM`; the pid is still the program's.
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
    /// What the function returns, or why the host cannot be entered.
    pub fn enter<T, E>(&self, inside: impl FnOnce() -> Result<T, E> + Send) -> Result<T>
    where
        T: Send,
        E: Into<Error>,
    {
        self.namespace.enter(inside)
    }

    /// Cuts all its wires. The host notices nothing but silence: its interfaces stay up.
    ///
    /// # Errors
    ///
    /// Where `bridge` fails.
    pub fn cut(&self) -> Result<()> {
        self.on_ports("bridge", |port| format!("link set dev {port} state 0\n"))
    }

    /// Mends what [`Host::cut`] has cut.
    ///
    /// # Errors
    ///
    /// Where `bridge` fails.
    pub fn restore(&self) -> Result<()> {
        self.on_ports("bridge", |port| format!("link set dev {port} state 3\n"))
    }

    /// Limits what flows to the host, on each wire, to a rate as `tc` writes it, such as `1mbit`; what would
    /// wait longer than 50 ms is dropped. What the host sends is not limited.
    ///
    /// # Errors
    ///
    /// Where `tc` fails.
    pub fn limit_rate(&self, rate: &str) -> Result<()> {
        let bucket = format!("root tbf rate {rate} burst 16kb latency 50ms");
        self.on_ports("tc", |port| format!("qdisc replace dev {port} {bucket}\n"))
    }

    pub(super) fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// The lines for `ip` on the switch that connect the host. The far ends appear right inside the host.
    pub(super) fn plugging(&self) -> String {
        let inside = self.namespace.path();
        self.lines(|number, Port { name, bridge, .. }| {
            format!(
                "link add {name} master {bridge} type veth peer name eth{number} netns {inside}\n\
                 link set {name} addrgenmode none up\n"
            )
        })
    }

    /// Sets up the host's own ends. No IPv6, whose chatter would be on the wire besides what is tested.
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

    fn on_ports(&self, tool: &str, line: impl Fn(&str) -> String) -> Result<()> {
        tools::batch(&self.switch, tool, &self.lines(|_, port| line(&port.name)))
    }
}
