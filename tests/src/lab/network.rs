//! A network of the lab: a bridge of the switch, and the subnet of the hosts' addresses.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};

/// A network that hosts of the lab can be connected to.
#[derive(Debug)]
pub struct Network {
    bridge: String,
    base: Ipv4Addr,
    prefix: u8,
    taken: AtomicU32,
}

/// An address together with the length of its network's prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    pub(super) ip: Ipv4Addr,
    pub(super) prefix: u8,
}

impl Network {
    pub(super) fn new(subnet: &str, number: usize) -> Result<Self> {
        let (base, prefix) = parse(subnet).with_context(|| format!("{subnet} is no subnet"))?;
        Ok(Self { bridge: format!("br{number}"), base, prefix, taken: AtomicU32::new(0) })
    }

    /// The address that reaches all hosts of the network.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() | host_bits(self.prefix))
    }

    pub(super) fn bridge(&self) -> &str {
        &self.bridge
    }

    /// The next free address: .1, .2, ..
    pub(super) fn take(&self) -> Result<Address> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        ensure!(number < host_bits(self.prefix), "{}/{} is full", self.base, self.prefix);
        Ok(Address { ip: Ipv4Addr::from_bits(self.base.to_bits() + number), prefix: self.prefix })
    }
}

fn parse(subnet: &str) -> Result<(Ipv4Addr, u8)> {
    let (base, prefix) = subnet.split_once('/').context("there is no slash")?;
    let (base, prefix): (Ipv4Addr, u8) = (base.parse()?, prefix.parse()?);
    ensure!((8..=30).contains(&prefix), "the prefix is not from 8 to 30");
    ensure!(base.to_bits() & host_bits(prefix) == 0, "bits of the host part are set");
    Ok((base, prefix))
}

fn host_bits(prefix: u8) -> u32 {
    u32::MAX >> prefix
}
