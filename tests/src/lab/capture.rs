//! The packets on the wire between a host and the switch.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::tap::Tap;

const IPV4: [u8; 2] = [0x08, 0x00];
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Bytes before the packet in a frame.
const ETHERNET: usize = 14;

/// A capture of all frames that cross a host's wire, either way, from its creation on.
#[derive(Debug)]
pub struct Capture {
    tap: Tap,
}

/// The data of a UDP or TCP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The sender.
    pub from: Ipv4Addr,
    /// Whether the packet is a datagram and not a piece of a TCP stream.
    pub is_udp: bool,
    /// The data. Frames longer than the MTU are cut short.
    pub data: Vec<u8>,
}

impl Capture {
    pub(super) fn new(tap: Tap) -> Self {
        Self { tap }
    }

    /// The packets with data since the last call. Pure acknowledgements and ARP are left out.
    ///
    /// # Errors
    ///
    /// If the socket fails.
    pub fn packets(&self) -> Result<Vec<Packet>> {
        let mut packets = Vec::new();
        while let Some(frame) = self.tap.receive()? {
            packets.extend(packet(frame.content()).filter(|packet| !packet.data.is_empty()));
        }
        Ok(packets)
    }
}

fn packet(frame: &[u8]) -> Option<Packet> {
    let ip = frame.get(ETHERNET..).filter(|_| frame.get(ETHERNET - 2..ETHERNET) == Some(&IPV4))?;
    let from: [u8; 4] = ip.get(12..16)?.try_into().ok()?;
    let length = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
    // A short frame is padded beyond the packet's end.
    let (ip, protocol) = (ip.get(..length).unwrap_or(ip), *ip.get(9)?);
    let inner = ip.get(usize::from(ip[0] & 0x0f) * 4..)?;
    let head = match protocol {
        UDP => 8,
        TCP => usize::from(inner.get(12)? >> 4) * 4,
        _ => return None,
    };
    Some(Packet { from: Ipv4Addr::from(from), is_udp: protocol == UDP, data: inner.get(head..)?.to_vec() })
}
