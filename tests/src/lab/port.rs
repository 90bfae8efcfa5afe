//! The port of the switch that a host is plugged into.

use super::network::Address;

/// The n-th port of a host is the other end of its ethN.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) number: usize,
    pub(super) bridge: String,
    pub(super) address: Address,
}

impl Port {
    /// The switch's end of the host's cable. It is on the bridge, unless the host is delayed.
    pub(super) fn plug(&self) -> String {
        format!("v{}", self.number)
    }

    /// The interface to which a delayed host's frames go after the delay.
    pub(super) fn relay(&self) -> String {
        format!("w{}", self.number)
    }

    /// The other end of [`Port::relay`], which is on the bridge.
    pub(super) fn relay_plug(&self) -> String {
        format!("x{}", self.number)
    }

    /// The lines for `ip` on the switch that put the relay between the host and the bridge.
    pub(super) fn relaying(&self) -> String {
        let (plug, relay, relay_plug) = (self.plug(), self.relay(), self.relay_plug());
        format!(
            "link set {plug} nomaster\n\
             link add {relay} type veth peer name {relay_plug}\n\
             link set {relay} addrgenmode none up\n\
             link set {relay_plug} master {}\n\
             link set {relay_plug} addrgenmode none up\n",
            self.bridge
        )
    }
}
