//! The order in which the slave tries the addresses that probes came from.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use synexec_proto::transport::ProbeListener;

/// Most addresses that are remembered: a master has few, and anybody can forge more.
const ADDRESSES_MAX: usize = 64;

/// Addresses of masters. A master with several addresses sends a probe from each, and the slave may reach it only at
/// some of them. An address that has failed is therefore tried again only after all others.
#[derive(Debug, Default)]
pub struct Candidates {
    /// Senders of probes that were not answered yet, in the order in which their first probes arrived.
    heard: VecDeque<SocketAddr>,
    /// Addresses at which no master was reached, the one that failed last at the end.
    failed: VecDeque<IpAddr>,
}

impl Candidates {
    /// Takes the probes that wait at the socket and that `accepts` accepts; at most 64, because more may arrive all the
    /// time.
    ///
    /// # Errors
    /// Errors of the socket.
    pub fn collect(
        &mut self,
        socket: &ProbeListener,
        mut accepts: impl FnMut(&[u8], SocketAddr) -> bool,
    ) -> io::Result<()> {
        for _ in 0..ADDRESSES_MAX {
            let Some(sender) = socket.next_sender(&mut accepts)? else { break };
            self.hear(sender);
        }
        Ok(())
    }

    fn hear(&mut self, sender: SocketAddr) {
        let is_new = self.heard.iter().all(|heard| heard.ip() != sender.ip());
        if is_new && self.heard.len() < ADDRESSES_MAX {
            self.heard.push_back(sender);
        }
    }

    /// The address to try next: the one that has never failed or whose failure is longest ago. Forgets its probe.
    pub fn choose(&mut self) -> Option<SocketAddr> {
        let last_failure = |sender: &SocketAddr| self.failed.iter().position(|failed| *failed == sender.ip());
        let (at, _) = self.heard.iter().enumerate().min_by_key(|(_, sender)| last_failure(sender))?;
        self.heard.remove(at)
    }

    /// No master was reached at this address.
    pub fn note_failure(&mut self, master: SocketAddr) {
        self.failed.retain(|failed| *failed != master.ip());
        self.failed.push_back(master.ip());
        if self.failed.len() > ADDRESSES_MAX {
            self.failed.pop_front();
        }
    }

    /// Forgets the probes that were not answered.
    pub fn forget_heard(&mut self) {
        self.heard.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    fn at(number: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, number], 4000))
    }

    fn hear_all(candidates: &mut Candidates) {
        for number in [1, 1, 2, 3] {
            candidates.hear(at(number));
        }
    }

    #[test]
    fn the_addresses_are_tried_in_turn_even_if_the_first_is_heard_again_and_again() {
        let mut candidates = Candidates::default();
        let mut tried = Vec::new();
        for _ in 0..7 {
            hear_all(&mut candidates);
            let chosen = candidates.choose().unwrap();
            candidates.note_failure(chosen);
            tried.push(chosen);
        }
        assert_eq!(tried, [1, 2, 3, 1, 2, 3, 1].map(at));
    }

    #[test]
    fn a_probe_is_answered_once() {
        let mut candidates = Candidates::default();
        hear_all(&mut candidates);
        let chosen: Vec<_> = std::iter::from_fn(|| candidates.choose()).collect();
        assert_eq!(chosen, [1, 2, 3].map(at));
        hear_all(&mut candidates);
        candidates.forget_heard();
        assert_eq!(candidates.choose(), None);
    }

    #[test]
    fn a_flood_of_one_sender_does_not_hold_the_slave() {
        let socket = ProbeListener::bind(0, Some("lo")).unwrap();
        let flood = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = UdpSocket::from(socket.as_fd().try_clone_to_owned().unwrap()).local_addr().unwrap().port();
        let mut candidates = Candidates::default();
        let mut taken = 0;
        let accepts = |_: &[u8], _| {
            taken += 1;
            flood.send_to(b"another", ("127.0.0.1", port)).unwrap();
            true
        };
        flood.send_to(b"first", ("127.0.0.1", port)).unwrap();
        candidates.collect(&socket, accepts).unwrap();
        assert_eq!(taken, ADDRESSES_MAX);
        assert_eq!(candidates.choose(), Some(flood.local_addr().unwrap()));
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut candidates = Candidates::default();
        for number in 0..200 {
            candidates.note_failure(at(number));
            candidates.hear(at(number));
        }
        assert_eq!((candidates.failed.len(), candidates.heard.len()), (ADDRESSES_MAX, ADDRESSES_MAX));
    }
}
