//! A slave that a master has turned away, and that hears other masters meanwhile.

use std::net::SocketAddr;

use synexec_proto::message::{Capabilities, Message, Reason};
use synexec_proto::time::MonotonicInstant;
use synexec_session::slave::{Action, Event, Slave};
use synexec_sim::{Plan, START, millis, secs};

/// A slave in discovery, and the probes that reach it.
struct Discovery {
    slave: Slave,
    is_listening: bool,
    /// The last master to which the slave has asked for a connection.
    connects_to: Option<SocketAddr>,
    /// The instants of probes that came while the slave did not listen.
    missed: Vec<MonotonicInstant>,
}

fn master(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 5165))
}

impl Discovery {
    /// A slave that this master has just turned away.
    fn turned_away_by(masters: &[SocketAddr]) -> Self {
        let slave = Slave::new(Plan::default().settings("vm"), START);
        let mut discovery = Self { slave, is_listening: false, connects_to: None, missed: Vec::new() };
        discovery.carry_out();
        for master in masters {
            discovery.probe(START, *master);
            assert_eq!(discovery.connects_to.take(), Some(*master));
            discovery.tell(START, Event::Connected { master: *master });
            for message in [
                Message::Probe(Some(Capabilities::ours("control"))),
                Message::Bye(Some(Reason::new("the places are kept"))),
            ] {
                discovery.tell(
                    START,
                    Event::Received { frame: message.encode().expect("the message fits into a frame"), at: START },
                );
            }
        }
        discovery
    }

    /// A probe of a master arrives at the slave's host.
    fn probe(&mut self, now: MonotonicInstant, master: SocketAddr) {
        while let Some(due) = self.slave.deadline().filter(|due| *due <= now) {
            self.slave.advance(due);
            self.carry_out();
        }
        if std::mem::take(&mut self.is_listening) {
            self.tell(now, Event::Invited { master });
        } else {
            self.missed.push(now);
        }
    }

    fn tell(&mut self, now: MonotonicInstant, event: Event) {
        self.slave.handle(now, event);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.slave.next_action() {
            match action {
                Action::Listen => self.is_listening = true,
                Action::Disconnect => self.is_listening = false,
                Action::Connect(master) => self.connects_to = master,
                _ => {}
            }
        }
    }
}

/// The instants in milliseconds at which a master's probes arrive: each is sent three times.
fn probes(master: SocketAddr, first: u64, count: u64) -> impl Iterator<Item = (u64, SocketAddr)> {
    let each = (0..count).map(move |number| first + 1000 * number);
    each.flat_map(move |at| [0, 1, 5].map(|later| (at + later, master)))
}

#[test]
fn it_hears_another_master_whenever_this_one_sends_its_probes() {
    let (first, second, other) = (master(1), master(2), master(3));
    let phases = (0..1000_u64).step_by(70).flat_map(|shunned| (0..1000).step_by(30).map(move |other| (shunned, other)));
    for (phase, phase_of_other) in phases {
        let mut discovery = Discovery::turned_away_by(&[first, second]);
        // The other master begins when the slave has ignored some probes.
        let mut arriving: Vec<_> = probes(first, 100, 4)
            .chain(probes(second, 100 + phase, 4))
            .chain(probes(other, 1100 + phase_of_other, 3))
            .collect();
        arriving.sort_unstable();
        for (at, master) in arriving {
            if discovery.connects_to.is_none() {
                discovery.probe(START.plus(millis(at)), master);
            }
        }
        assert_eq!(discovery.connects_to, Some(other), "{phase} {phase_of_other}");
    }
}

#[test]
fn it_makes_way_for_other_slaves_of_its_host() {
    let mut discovery = Discovery::turned_away_by(&[master(1)]);
    for (at, master) in probes(master(1), 100, 5) {
        discovery.probe(START.plus(millis(at)), master);
    }
    assert_eq!(discovery.connects_to, None);
    assert!(!discovery.missed.is_empty(), "another slave gets these probes");
    let heard = 15 - discovery.missed.len();
    assert!(heard > discovery.missed.len(), "the slave listens most of the time: {:?}", discovery.missed);
    discovery.probe(START.plus(secs(8)), master(1));
    assert_eq!(discovery.connects_to, Some(master(1)), "the master is answered again");
}
