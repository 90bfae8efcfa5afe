//! How time goes on: which event comes next, and to whom it happens.

use std::time::Duration;

use synexec_proto::disconnect::Disconnect;
use synexec_proto::time::MonotonicInstant;
use synexec_session::master::{Event, Report};

use super::World;
use super::act::peer_of;
use crate::client_event::ClientEvent;
use crate::id::ClientId;
use crate::link::Side;
use crate::process_state::ProcessState;
use crate::reports::{assert_rows_complete, assert_verdict_follows};
use crate::time::{START, secs};
use crate::timeline::{Node, WorldEvent};

impl World {
    /// Lets time go on until the session is over. Checks that the report has every member and that its verdict follows
    /// from its rows.
    ///
    /// # Panics
    ///
    /// If the session is not over this long after the world begins, or if the report is wrong.
    pub fn run(&mut self, limit: Duration) -> Report {
        while self.master.report().is_none() {
            let goes_on = self.step(START.plus(limit));
            assert!(goes_on, "the session does not end within {limit:?}");
        }
        let report = self.master.report().expect("the session is over").clone();
        assert_rows_complete(&report, report.rows().len().max(self.master.members()));
        assert_verdict_follows(&report);
        report
    }

    /// Lets time go on until this long after the world begins.
    pub fn run_until(&mut self, after: Duration) {
        let limit = START.plus(after);
        while self.step(limit) {}
        self.timeline.now = limit;
    }

    /// Lets a minute pass, in which every slave comes to rest.
    pub fn settle(&mut self) {
        self.run_until(self.timeline.now.since(START) + secs(60));
    }

    /// Takes the next event or deadline. Gives whether there was one before the limit.
    ///
    /// As in the programs, an event comes before a deadline of the same instant. But a program that was stopped finds its
    /// deadlines first, before its threads have read what came in the meantime.
    fn step(&mut self, limit: MonotonicInstant) -> bool {
        let event = self.timeline.next_at();
        let due = self.next_due();
        let Some(next) = event.into_iter().chain(due.map(|(at, _)| at)).min().filter(|next| *next <= limit) else {
            return false;
        };
        self.timeline.now = self.timeline.now.max(next);
        match due {
            Some((at, node)) if event.is_none_or(|event| at < event || at == event && self.was_frozen(node)) => {
                self.take_deadline(node);
            }
            _ => self.take_event(),
        }
        true
    }

    fn next_due(&self) -> Option<(MonotonicInstant, Node)> {
        let master = self.master_state.notices(self.master.deadline()).map(|at| (at, Node::Master));
        let clients = (0..).map(ClientId).zip(&self.clients).filter_map(|(id, process)| {
            process.state.notices(process.client.deadline()).map(|at| (at, Node::Client(id)))
        });
        master.into_iter().chain(clients).min_by_key(|(at, _)| *at)
    }

    fn take_deadline(&mut self, node: Node) {
        match node {
            Node::Master => self.advance_master(),
            Node::Client(id) => self.tell_client(id, ClientEvent::Due),
            Node::World => {}
        }
    }

    fn take_event(&mut self) {
        let Some((ticket, node, event)) = self.timeline.pop() else { return };
        let boots = matches!(event, WorldEvent::Client(ClientEvent::Booted));
        match self.state_of(node) {
            ProcessState::Frozen(until) if self.timeline.now < until => {
                self.timeline.put_off(ticket, until, node, event);
            }
            ProcessState::Absent if !boots => self.miss(node, &event),
            _ => self.take(node, event),
        }
    }

    fn was_frozen(&self, node: Node) -> bool {
        matches!(self.state_of(node), ProcessState::Frozen(_))
    }

    fn state_of(&self, node: Node) -> ProcessState {
        match node {
            Node::Master => self.master_state,
            Node::Client(id) => self.clients[id.index()].state,
            Node::World => ProcessState::Running,
        }
    }

    /// Nobody takes an event of a process that does not exist. The kernel closes a connection that it has asked for.
    fn miss(&mut self, node: Node, event: &WorldEvent) {
        if let (Node::Client(_), WorldEvent::Connected(link)) = (node, event) {
            self.network.close(&mut self.timeline, *link, Side::Client);
        }
    }

    fn take(&mut self, node: Node, event: WorldEvent) {
        match (node, event) {
            (Node::Client(id), event) => self.take_for_client(id, event),
            (Node::Master, event) => self.take_for_master(event),
            (Node::World, WorldEvent::Order(order)) => self.obey(order),
            (Node::World, WorldEvent::ConnectionRequested(id, request)) => {
                let master_is_alive = self.master_state.is_alive();
                self.network.answer_request(&mut self.timeline, id, request, master_is_alive);
            }
            (Node::World, event) => panic!("{event:?} happens to a process"),
        }
    }

    fn take_for_client(&mut self, id: ClientId, event: WorldEvent) {
        match event {
            WorldEvent::Client(event) => {
                if matches!(event, ClientEvent::Booted) {
                    self.client_mut(id).state = ProcessState::Running;
                }
                self.tell_client(id, event);
            }
            WorldEvent::Connected(link) => {
                if !self.network.is_awaited(id, self.network.request_of(link)) {
                    self.network.close(&mut self.timeline, link, Side::Client);
                } else if self.network.is_open(link, Side::Client) {
                    // Otherwise the connection has broken before it was established.
                    self.tell_client(id, ClientEvent::Connected);
                }
            }
            WorldEvent::Refused(request) => {
                if self.network.is_awaited(id, request) {
                    self.tell_client(id, ClientEvent::Refused);
                }
            }
            WorldEvent::Bytes(link, bytes) => self.take_bytes(link, Side::Client, &bytes),
            WorldEvent::Closed(link, why) => self.take_end(link, Side::Client, why),
            event => panic!("{event:?} does not happen to a client"),
        }
    }

    fn take_for_master(&mut self, event: WorldEvent) {
        match event {
            WorldEvent::Accepted(link) => {
                let address = self.network.client(link).address();
                self.tell_master(Event::Connected { peer: peer_of(link), address });
            }
            WorldEvent::Bytes(link, bytes) => self.take_bytes(link, Side::Master, &bytes),
            WorldEvent::Closed(link, why) => self.take_end(link, Side::Master, why),
            WorldEvent::ConfSent(link) => self.tell_master(Event::ConfSent { peer: peer_of(link) }),
            WorldEvent::OutputDiffers(id) => self.tell_master(Event::OutputDiffers { id }),
            WorldEvent::OutputStored(id) => self.tell_master(Event::OutputStored { id }),
            WorldEvent::OutputFailed(id) => self.tell_master(Event::OutputFailed { id, why: "disk full".into() }),
            WorldEvent::OutputsFailed => self.tell_master(Event::OutputsFailed { why: "disk full".into() }),
            WorldEvent::ConfFailed => self.tell_master(Event::ConfFailed { why: "gone".into() }),
            WorldEvent::RivalHeard { theirs, ours } => self.tell_master(Event::RivalHeard { theirs, ours }),
            WorldEvent::Interrupted(interrupt) => self.tell_master(Event::Interrupted(interrupt)),
            event => panic!("{event:?} does not happen to a master"),
        }
    }

    fn take_bytes(&mut self, link: usize, side: Side, bytes: &[u8]) {
        if !self.network.is_open(link, side) {
            return;
        }
        let (frames, result) = self.network.read(link, side, bytes);
        for frame in frames {
            match side {
                Side::Master => {
                    let at = self.timeline.now;
                    self.tell_master(Event::Received { peer: peer_of(link), frame, at });
                }
                Side::Client => {
                    let is_second = self.network.is_second(link);
                    let event = if is_second { ClientEvent::SecondReceived } else { ClientEvent::Received };
                    self.tell_client(self.network.client(link), event(frame));
                }
            }
        }
        if let Err(why) = result {
            self.take_end(link, side, why);
        }
    }

    fn take_end(&mut self, link: usize, side: Side, why: Disconnect) {
        if !self.network.is_open(link, side) {
            return;
        }
        match side {
            Side::Master => self.tell_master(Event::Disconnected { peer: peer_of(link), why }),
            Side::Client => {
                let is_second = self.network.is_second(link);
                let event = if is_second { ClientEvent::SecondEnded } else { ClientEvent::Disconnected };
                self.tell_client(self.network.client(link), event(why));
            }
        }
    }
}
