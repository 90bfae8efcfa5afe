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

/// A machine of its own as far as the network goes, with a scratch directory; files, pids and clocks are the machine's.
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
        self.set_bridge_state(0)
    }

    /// Mends what [`Host::cut`] has cut.
    ///
    /// # Errors
    ///
    /// Where `bridge` fails.
    pub fn restore(&self) -> Result<()> {
        self.set_bridge_state(3)
    }

    /// Limits what flows to the host, on each wire, to a rate as `tc` writes it, such as `1mbit`; what would
    /// wait longer than 50 ms is dropped. What the host sends is not limited.
    ///
    /// # Errors
    ///
    /// Where `tc` fails.
    pub fn limit_rate(&self, rate: &str) -> Result<()> {
        let bucket = format!("root tbf rate {rate} burst 16kb latency 50ms");
        self.on_ports("tc", |port| format!("qdisc replace dev {} {bucket}\n", port.plug()))
    }

    /// Makes all its wires longer: what the host sends and what is sent to it takes so long each way, a few tens of
    /// microseconds more on an idle machine, and stays in order. Zero leaves the wires as they are.
    ///
    /// Frames that cross meanwhile are lost, and wires that are cut are mended. A delayed host's wires are cut at the
    /// far end: what was under way to it still arrives. A limited rate is that of the near end.
    ///
    /// # Errors
    ///
    /// [`Missing`] where there is no `ethtool`. Where the host is delayed already, or the wires cannot be made.
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

    /// Hears all that crosses the first of its wires from now on.
    ///
    /// # Errors
    ///
    /// Where no socket can be had.
    pub fn capture(&self) -> Result<Capture> {
        let plug = self.ports[0].plug();
        Ok(Capture::new(self.switch.namespace.enter(|| Tap::new(&plug))?))
    }

    /// Loses so many of a hundred frames, at random, each way, on each wire, from now on; zero mends that. What is lost
    /// was on the wire: neither end is told. Where the host is to be delayed as well, delay it first.
    ///
    /// # Errors
    ///
    /// [`Missing`] where there is no `nft`, or where it fails.
    ///
    /// [`Missing`]: super::missing::Missing
    pub fn lose(&self, percent: u8) -> Result<()> {
        for (eth, port) in self.ports.iter().enumerate() {
            loss::lose(&self.namespace, &format!("eth{eth}"), percent)?;
            loss::lose(&self.switch.namespace, &self.bridged(port), percent)?;
        }
        Ok(())
    }

    /// Stops the host as a hypervisor does: none of its processes runs, its kernel answers nothing.
    ///
    /// # Errors
    ///
    /// Where `bridge` fails, or there is no `/proc`.
    pub fn pause(&self) -> Result<()> {
        self.cut()?;
        occupants::stop(&self.namespace)
    }

    /// Has the host go on that [`Host::pause`] has stopped.
    ///
    /// # Errors
    ///
    /// Where `bridge` fails, or there is no `/proc`.
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

    /// Resets all TCP connections of the host, as if something between had lost its memory of them; the other end is
    /// told where the wires are whole. Returns how many there were.
    ///
    /// # Errors
    ///
    /// [`Missing`] where the kernel cannot do that. Where there is no `ss`.
    ///
    /// [`Missing`]: super::missing::Missing
    pub fn reset_connections(&self) -> Result<usize> {
        connections::reset(&self.namespace)
    }

    /// How many TCP connections the host has that stand.
    ///
    /// # Errors
    ///
    /// Where there is no `ss`.
    pub fn connections(&self) -> Result<usize> {
        connections::standing(&self.namespace)
    }

    /// How much its TCP connections have sent, or have to send, that was not acknowledged, in bytes.
    ///
    /// # Errors
    ///
    /// Where there is no `ss`.
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

    /// The interface by which the host is on the bridge.
    fn bridged(&self, port: &Port) -> String {
        if self.delayed.load(Ordering::Relaxed) { port.relay_plug() } else { port.plug() }
    }

    fn on_ports(&self, tool: &str, line: impl Fn(&Port) -> String) -> Result<()> {
        tools::batch(&self.switch.namespace, tool, &self.lines(|_, port| line(port)))
    }
}
