//! The programs of iproute2, and ethtool, run inside a namespace.

use std::io::{self, ErrorKind, Seek as _, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Error, Result, ensure};

use super::Namespace;
use super::missing::Missing;
use crate::process::eventually;

const NO_ETHTOOL: Missing = Missing("ethtool is not installed (Debian: apt-get install ethtool)");

/// Makes the tool (`ip`, `bridge` or `tc`) run the script, which has one command a line.
pub(super) fn batch(inside: &Namespace, tool: &str, script: &str) -> Result<()> {
    scripted(inside, tool, &["-batch", "-"], script)
}

/// Makes the tool with these options run the script from its standard input.
pub(super) fn scripted(inside: &Namespace, tool: &str, options: &[&str], script: &str) -> Result<()> {
    let mut input = tempfile::tempfile().context("no temporary file")?;
    input.write_all(script.as_bytes())?;
    input.rewind()?;
    let mut command = Command::new(tool);
    command.args(options).stdin(input);
    run(inside, command).with_context(|| format!("{tool} was to do:\n{script}"))?;
    Ok(())
}

/// The kernel learns in the background that both ends of a link are up; until then the bridge drops all frames.
pub(super) fn wait_until_forwarding(switch: &Namespace, ports: &[String]) -> Result<()> {
    let all_forward = || match forwarding(switch) {
        Ok(forwarding) => ports.iter().all(|port| forwarding.contains(port)).then_some(Ok(())),
        Err(error) => Some(Err(error)),
    };
    eventually("the switch to forward on all ports", all_forward)?
}

/// Turns off the offloads of an interface, so that it sends frames as they are on a real wire.
///
/// Without this, a veth passes on packets larger than its MTU and checksums that are not computed.
pub(super) fn plain_frames(inside: &Namespace, interface: &str) -> Result<()> {
    let mut command = Command::new("ethtool");
    command.args(["-K", interface, "tx", "off", "tso", "off", "gso", "off"]);
    run(inside, command).map(drop).map_err(|error| if_not_there(error, NO_ETHTOOL))
}

/// The error, or [`Missing`] if the program is not installed.
pub(super) fn if_not_there(error: Error, missing: Missing) -> Error {
    let is_not_there = |io: &io::Error| io.kind() == ErrorKind::NotFound;
    if error.downcast_ref().is_some_and(is_not_there) { missing.into() } else { error }
}

/// The names of the switch's ports that forward frames.
fn forwarding(switch: &Namespace) -> Result<Vec<String>> {
    let mut command = Command::new("bridge");
    command.args(["-json", "link", "show"]).stdin(Stdio::null());
    let listing = run(switch, command)?;
    let ports = listing.split('{').filter(|port| port.contains(r#""state":"forwarding""#));
    Ok(ports.filter_map(name_of).map(str::to_owned).collect())
}

fn name_of(port: &str) -> Option<&str> {
    let (_, name) = port.split_once(r#""ifname":""#)?;
    Some(name.split_once('"')?.0)
}

pub(super) fn run(inside: &Namespace, mut command: Command) -> Result<String> {
    let output = inside.enter(|| command.output()).with_context(|| format!("cannot run {command:?} (of iproute2)"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {complaint}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
