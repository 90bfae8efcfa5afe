//! Hearing the probes of other masters of the same session.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use log::Level;
use synexec_host::allow::AllowedNetworks;
use synexec_host::interfaces;
use synexec_host::log_limit::{self, Kind};
use synexec_host::probes::ProbeCheck;
use synexec_proto::secure::{Invitation, Key};
use synexec_proto::transport::{BroadcastListener, ProbeRoute};
use synexec_proto::wire::SessionId;

/// Most datagrams that are read from one socket at a time.
const DATAGRAMS_MAX: usize = 512;

/// Most rivals that are reported at a time.
const RIVALS_MAX: usize = 256;

/// An own address is remembered for this many probes after the last one that was sent from it. A probe of this master is
/// heard long before.
const REMEMBERED: u64 = 60;

/// Addresses at which this host cannot listen.
const DEAF: Kind = Kind::of_strangers("addresses at which other masters cannot be heard");

/// Hears other masters on the networks to which this master sends probes.
#[derive(Debug)]
pub struct Rivals {
    probes: ProbeCheck,
    has_key: bool,
    listeners: BTreeMap<Place, BroadcastListener>,
    /// The lowest address from which this master sends probes, for each device.
    sources: BTreeMap<String, Ipv4Addr>,
    /// The addresses from which this master has lately sent probes, and the number of the last probe from each. It hears
    /// its own probes too, also by another interface.
    own: BTreeMap<Ipv4Addr, u64>,
    /// Number of probes that were sent.
    probes_sent: u64,
}

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    device: String,
    /// The number of the device. A device that was removed and made again has another number, and needs another socket.
    index: Option<u32>,
    broadcast: SocketAddrV4,
}

/// Another master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rival {
    /// The address from which it sends probes.
    pub theirs: Ipv4Addr,
    /// The lowest address from which this master sends probes on the same network.
    pub ours: Ipv4Addr,
}

impl Rivals {
    /// Hears masters of this session at these addresses. With a key, only probes that are signed with the key count, each
    /// once. Without a key, signed probes do not count, because slaves that have a key do not answer this master.
    pub fn new(session: SessionId, key: Option<Arc<Key>>, allowed: AllowedNetworks) -> Self {
        Self {
            has_key: key.is_some(),
            probes: ProbeCheck::new(session, key, allowed),
            listeners: BTreeMap::new(),
            sources: BTreeMap::new(),
            own: BTreeMap::new(),
            probes_sent: 0,
        }
    }

    /// Listens where this master has just sent a probe, and no longer elsewhere. A route without a device has no
    /// broadcast address.
    pub fn listen(&mut self, routes: &[ProbeRoute]) {
        self.sources.clear();
        self.probes_sent += 1;
        let mut places = BTreeSet::new();
        for ProbeRoute { device, source, destinations } in routes {
            let Some(device) = device else { continue };
            self.sources.entry(device.clone()).and_modify(|lowest| *lowest = *source.min(lowest)).or_insert(*source);
            self.own.insert(*source, self.probes_sent);
            let index = interfaces::index(device);
            let place = |broadcast: &SocketAddrV4| Place { device: device.clone(), index, broadcast: *broadcast };
            places.extend(destinations.iter().map(place));
        }
        let oldest = self.probes_sent.saturating_sub(REMEMBERED);
        self.own.retain(|_, last| *last >= oldest);
        self.listeners.retain(|place, _| places.contains(place));
        for place in places {
            if !self.listeners.contains_key(&place) {
                self.listen_at(place);
            }
        }
    }

    fn listen_at(&mut self, place: Place) {
        match BroadcastListener::bind(place.broadcast, Some(&place.device)) {
            Ok(listener) => {
                self.listeners.insert(place, listener);
            }
            Err(error) => {
                let line = format!("cannot hear other masters at {} on {}: {error}", place.broadcast, place.device);
                log_limit::tell(DEAF, Level::Debug, place.broadcast, line);
            }
        }
    }

    /// The other masters that have sent probes since the last call.
    pub fn hear(&mut self) -> Vec<Rival> {
        let mut heard = BTreeMap::new();
        for (place, listener) in &self.listeners {
            let Some(ours) = self.sources.get(&place.device).copied() else { continue };
            let (probes, own, has_key) = (&mut self.probes, &self.own, self.has_key);
            let taken = listener.take(DATAGRAMS_MAX, |datagram, sender| {
                if let Some(theirs) = rival(probes, has_key, datagram, sender)
                    && !own.contains_key(&theirs)
                    && heard.len() < RIVALS_MAX
                {
                    heard.insert(theirs, ours);
                }
            });
            if let Err(error) = taken {
                let line = format!("cannot hear other masters on {}: {error}", place.device);
                log_limit::tell(DEAF, Level::Debug, place.broadcast, line);
            }
        }
        heard.into_iter().map(|(theirs, ours)| Rival { theirs, ours }).collect()
    }
}

/// The sender of a probe that counts. The check comes first also for this master's own probes: a probe that was checked
/// once does not count again when a stranger repeats it from another address.
fn rival(probes: &mut ProbeCheck, has_key: bool, datagram: &[u8], sender: SocketAddr) -> Option<Ipv4Addr> {
    let is_for_others = !has_key && Invitation::is_signed(datagram);
    let IpAddr::V4(address) = sender.ip() else { return None };
    (probes.check(datagram, sender.ip())?.is_ok() && !is_for_others).then_some(address)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    use synexec_host::clock::wall_clock_now;
    use synexec_proto::wire::{Command, Frame};

    use super::*;

    const SESSION: SessionId = SessionId(7);
    const BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

    /// A master on loopback with this address and a port that is free, and its route.
    fn master(key: Option<Key>, source: [u8; 4]) -> (Rivals, ProbeRoute) {
        let free = UdpSocket::bind((BROADCAST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut rivals = Rivals::new(SESSION, key.map(Arc::new), AllowedNetworks::default());
        let destinations = vec![SocketAddrV4::new(BROADCAST, port)];
        let route = ProbeRoute { device: Some("lo".to_owned()), source: source.into(), destinations };
        rivals.listen(std::slice::from_ref(&route));
        assert_eq!(rivals.listeners.len(), 1);
        (rivals, route)
    }

    fn key() -> Key {
        Key::from_secret(&[7; 16]).unwrap()
    }

    fn plain() -> Vec<u8> {
        Frame::bare(Command::Probe).encode(SESSION)
    }

    fn signed(number: u8) -> Vec<u8> {
        Invitation { nonce: [number; 16], sent: wall_clock_now() }.encode(SESSION, &key())
    }

    /// Sends these datagrams from this address.
    fn send(route: &ProbeRoute, from: [u8; 4], datagrams: &[Vec<u8>]) {
        let route = ProbeRoute { source: from.into(), ..route.clone() };
        datagrams.iter().try_for_each(|datagram| route.send_probe(|| Ok(datagram.clone()))).unwrap();
    }

    /// What is heard until this rival is.
    fn heard_until(rivals: &mut Rivals, last: [u8; 4]) -> Vec<Ipv4Addr> {
        let (mut heard, since) = (BTreeSet::new(), Instant::now());
        while !heard.contains(&last.into()) {
            assert!(since.elapsed() < Duration::from_secs(60), "not heard: {heard:?}");
            heard.extend(rivals.hear().into_iter().map(|rival| rival.theirs));
        }
        heard.into_iter().collect()
    }

    #[test]
    fn another_master_is_heard_and_this_master_is_not_its_own_rival() {
        let (mut rivals, route) = master(None, [127, 0, 0, 5]);
        let other = Frame::bare(Command::Probe).encode(SessionId(8));
        send(&route, [127, 0, 0, 5], &[plain()]);
        send(&route, [127, 0, 0, 6], &[other, signed(1), b"nonsense".to_vec()]);
        send(&route, [127, 0, 0, 4], &[plain(), plain()]);
        assert_eq!(heard_until(&mut rivals, [127, 0, 0, 4]), [Ipv4Addr::new(127, 0, 0, 4)]);
        rivals.listen(&[]);
        assert!(rivals.listeners.is_empty() && rivals.hear().is_empty());
    }

    #[test]
    fn a_master_knows_its_present_address_after_any_number_of_changes() {
        let (mut rivals, route) = master(None, [127, 0, 0, 5]);
        let source = |number: u16| {
            let [high, low] = number.to_be_bytes();
            [127, 1, high, low]
        };
        for number in 0..=1000 {
            rivals.listen(&[ProbeRoute { source: source(number).into(), ..route.clone() }]);
        }
        for own in [1000, 999] {
            send(&route, source(own), &[plain()]);
        }
        // Another host has taken an address that this master once had.
        send(&route, [127, 0, 0, 5], &[plain()]);
        assert_eq!(heard_until(&mut rivals, [127, 0, 0, 5]), [Ipv4Addr::new(127, 0, 0, 5)]);
    }

    #[test]
    fn with_a_key_a_probe_counts_once_and_only_with_this_key() {
        let (mut rivals, route) = master(Some(key()), [127, 0, 0, 5]);
        send(&route, [127, 0, 0, 5], &[signed(1)]);
        send(&route, [127, 0, 0, 6], &[plain(), signed(1)]);
        send(&route, [127, 0, 0, 4], &[signed(2)]);
        assert_eq!(heard_until(&mut rivals, [127, 0, 0, 4]), [Ipv4Addr::new(127, 0, 0, 4)]);
    }
}
