//! A wire that loses frames, by netfilter: some at random, or all of a connection.

use std::net::SocketAddrV4;

use anyhow::Result;

use super::Namespace;
use super::missing::Missing;
use super::tools;

const NO_NFT: Missing = Missing("nft is not installed (Debian: apt-get install nftables)");

/// Drops this percentage of the frames that come in by the interface, before anything except a packet socket sees
/// them.
pub(super) fn lose(inside: &Namespace, interface: &str, percent: u8) -> Result<()> {
    let rule = format!("numgen random mod 100 < {percent} drop");
    drop_arriving(inside, interface, "lossy", if percent == 0 { &[] } else { std::slice::from_ref(&rule) })
}

/// Drops all TCP packets that come in by the interface, from the first to the second address of one of the pairs.
pub(super) fn forget(inside: &Namespace, interface: &str, ways: &[(SocketAddrV4, SocketAddrV4)]) -> Result<()> {
    let rule = |(from, to): &(SocketAddrV4, SocketAddrV4)| {
        let addresses = format!("ip saddr {} ip daddr {}", from.ip(), to.ip());
        format!("{addresses} tcp sport {} tcp dport {} drop", from.port(), to.port())
    };
    drop_arriving(inside, interface, "forgetful", &ways.iter().map(rule).collect::<Vec<_>>())
}

/// Applies these rules, in place of those that the table of this kind had before, to the frames that come in by the
/// interface.
fn drop_arriving(inside: &Namespace, interface: &str, kind: &str, rules: &[String]) -> Result<()> {
    let table = format!("table netdev {kind}-{interface}");
    let chain =
        format!("chain arriving {{\ntype filter hook ingress device {interface} priority 0;\n{}\n}}", rules.join("\n"));
    // The script declares the table first, so that the deletion succeeds even without an old table.
    let mend = format!("{table}\ndelete {table}\n");
    let script = if rules.is_empty() { mend } else { format!("{mend}{table} {{\n{chain}\n}}\n") };
    tools::scripted(inside, "nft", &["-f", "-"], &script).map_err(|error| tools::if_not_there(error, NO_NFT))
}
