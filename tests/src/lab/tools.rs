//! The programs of iproute2, run inside a namespace.

use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::Namespace;

/// Has the tool (`ip`, `bridge` or `tc`) carry out the script, one command a line.
pub(super) fn batch(inside: &Namespace, tool: &str, script: &str) -> Result<()> {
    let mut input = tempfile::tempfile().context("no temporary file")?;
    input.write_all(script.as_bytes())?;
    input.rewind()?;
    let mut command = Command::new(tool);
    command.args(["-batch", "-"]).stdin(input);
    run(inside, command).with_context(|| format!("{tool} was to do:\n{script}"))?;
    Ok(())
}

/// The names of the switch's ports that forward frames.
pub(super) fn forwarding(switch: &Namespace) -> Result<Vec<String>> {
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

fn run(inside: &Namespace, mut command: Command) -> Result<String> {
    let output = inside.enter(|| command.output()).with_context(|| format!("cannot run {command:?} (of iproute2)"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {complaint}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
