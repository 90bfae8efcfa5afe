//! Connections, looked at and reset from outside, by `ss`.

use std::net::SocketAddrV4;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Error, Result};

use super::Namespace;
use super::missing::Missing;
use super::tools;

const NO_DESTROY: Missing = Missing("the kernel resets no connections (it lacks CONFIG_INET_DIAG_DESTROY)");

/// Resets all established connections, and returns their number.
pub(super) fn reset(inside: &Namespace) -> Result<usize> {
    let before = standing(inside)?;
    // `ss` lists the connections that it has reset.
    let reset = list(inside, &["--kill"])?.lines().count();
    if before > 0 && reset == 0 { Err(NO_DESTROY.into()) } else { Ok(reset) }
}

/// The local and the remote address of each established connection.
pub(super) fn addresses(inside: &Namespace) -> Result<Vec<(SocketAddrV4, SocketAddrV4)>> {
    let addresses = |line: &str| {
        let mut columns = line.split_whitespace().skip(2);
        let mut next = || Ok::<_, Error>(columns.next().context("no address")?.parse()?);
        Ok((next()?, next()?))
    };
    list(inside, &[])?.lines().map(addresses).collect()
}

/// Number of established connections.
pub(super) fn standing(inside: &Namespace) -> Result<usize> {
    Ok(list(inside, &[])?.lines().count())
}

/// Bytes that the established connections have sent or queued, and that are not acknowledged.
pub(super) fn unacknowledged(inside: &Namespace) -> Result<u64> {
    let send_queue = |line: &str| Ok(line.split_whitespace().nth(1).context("no Send-Q")?.parse::<u64>()?);
    list(inside, &[])?.lines().map(send_queue).sum()
}

/// The lines of `ss` for the established connections.
fn list(inside: &Namespace, options: &[&str]) -> Result<String> {
    let mut command = Command::new("ss");
    command.args(["--no-header", "--tcp", "--numeric"]).args(options).args(["state", "established"]);
    command.stdin(Stdio::null());
    Ok(tools::run(inside, command)?.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n"))
}
