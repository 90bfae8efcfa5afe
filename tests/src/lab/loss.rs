//! A wire that loses frames, by netfilter.

use anyhow::Result;

use super::Namespace;
use super::missing::Missing;
use super::tools;

const NO_NFT: Missing = Missing("nft is not installed (Debian: apt-get install nftables)");

/// Drops this percentage of the frames that come in by the interface, before anything except a packet socket sees
/// them.
pub(super) fn lose(inside: &Namespace, interface: &str, percent: u8) -> Result<()> {
    let table = format!("table netdev lossy-{interface}");
    let rules = format!(
        "chain arriving {{\ntype filter hook ingress device {interface} priority 0;\nnumgen random mod 100 < {percent} drop\n}}"
    );
    // The script declares the table first, so that the deletion succeeds even without an old table.
    let mend = format!("{table}\ndelete {table}\n");
    let script = if percent == 0 { mend } else { format!("{mend}{table} {{\n{rules}\n}}\n") };
    tools::scripted(inside, "nft", &["-f", "-"], &script).map_err(|error| tools::if_not_there(error, NO_NFT))
}
