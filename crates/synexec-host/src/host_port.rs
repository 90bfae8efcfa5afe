//! Hosts of the command line: `HOST` or `HOST:PORT`.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, ToSocketAddrs};

/// All IPv4 addresses of a host, with the port if the text gives none. The list is empty if the host has only IPv6.
///
/// # Errors
/// The name is unknown, or the look-up fails.
pub fn look_up(text: &str, port: u16) -> io::Result<Vec<SocketAddrV4>> {
    let ipv4 = |address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    };
    Ok(split(text, port).to_socket_addrs()?.filter_map(ipv4).collect())
}

/// The host and the port. An IPv6 address has more than one colon, and no port.
fn split(text: &str, port: u16) -> (&str, u16) {
    let with_port = text.split_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    with_port.unwrap_or((text, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_the_text_counts_and_is_not_looked_up() {
        assert_eq!(split("web1", 77), ("web1", 77));
        assert_eq!(split("web1:78", 77), ("web1", 78));
        for text in ["::1", "fe80::1:2", "web1:", "web1:x", "web1:65536"] {
            assert_eq!(split(text, 77), (text, 77));
        }
    }

    #[test]
    fn only_ipv4_addresses_count() {
        assert_eq!(look_up("localhost", 77).unwrap(), [SocketAddrV4::new([127, 0, 0, 1].into(), 77)]);
        assert_eq!(look_up("127.0.0.1:78", 77).unwrap(), [SocketAddrV4::new([127, 0, 0, 1].into(), 78)]);
        assert!(look_up("::1", 77).unwrap().is_empty());
    }

    #[test]
    fn an_unknown_name_is_told_as_such() {
        // No resolver sends a query for a label of more than 63 letters.
        let error = look_up(&"x".repeat(64), 77).unwrap_err().to_string();
        assert!(error.contains("lookup"), "{error}");
    }
}
