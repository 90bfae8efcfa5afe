//! A slave of ours: the real state machine on a simulated host.

use std::net::{Ipv4Addr, SocketAddr};

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::Reason;
use synexec_proto::time::MonotonicInstant;
use synexec_session::slave::{Action, Event, ExitCause, Settings, Slave};

use super::client::{Deed, Heard, HostEvent};
use super::host::Host;
use super::plan::Plan;
use super::slave_rules::SlaveRules;

/// Where all slaves find the master.
const MASTER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 254)), 5165);

#[derive(Debug)]
pub struct SimSlave {
    slave: Slave,
    rules: SlaveRules,
    pub host: Host,
    /// All that it ever did, but for its looks at an output that does not grow: in an hour they are thousands.
    pub log: Vec<(MonotonicInstant, Action)>,
}

impl SimSlave {
    pub fn new(name: &str, plan: Plan, boots: MonotonicInstant) -> Self {
        let settings = Settings {
            name: name.into(),
            instance: name.bytes().fold(0, |number, byte| number << 8 | u64::from(byte)),
            dials: plan.dials,
            once: plan.once,
            reconnect: plan.reconnect,
            max_conf: plan.max_conf,
            keeps_orphans: plan.keeps_orphans,
        };
        let (slave, rules) = (Slave::new(settings, plan.clock.show(boots)), SlaveRules::default());
        Self { slave, rules, host: Host::new(plan), log: Vec::new() }
    }

    pub fn hear(&mut self, now: MonotonicInstant, heard: Heard) -> Vec<Deed> {
        let mut deeds = Vec::new();
        match heard {
            Heard::Booted => {}
            Heard::Due => self.advance(now, &mut deeds),
            Heard::Invited => self.handle(now, Event::Invited { master: MASTER }),
            Heard::Connected => self.handle(now, Event::Connected { master: MASTER }),
            Heard::Refused => self.handle(now, Event::ConnectFailed { why: "refused".into() }),
            Heard::Said(frame) => self.handle(now, Event::Received { frame, at: self.host.plan.clock.show(now) }),
            Heard::Closed(why) => self.handle(now, Event::Disconnected(why)),
            Heard::Shutdown(interrupt) => self.handle(now, Event::Shutdown(interrupt)),
            Heard::Host(event) => self.host_event(now, event, &mut deeds),
        }
        self.carry_out(now, &mut deeds);
        self.rules.settled();
        deeds
    }

    pub fn deadline(&self) -> Option<MonotonicInstant> {
        self.slave.deadline().map(|shown| self.host.plan.clock.when(shown))
    }

    pub fn exit(&self) -> Option<ExitCause> {
        match self.log.last() {
            Some((_, Action::Exit(cause))) => Some(*cause),
            _ => None,
        }
    }

    /// When it last came back to discovery, if it is there.
    pub fn in_discovery_since(&self) -> Option<MonotonicInstant> {
        let in_session = |action: &Action| matches!(action, Action::Send(_) | Action::Disconnect | Action::Leave);
        let from = self.log.iter().rposition(|(_, action)| in_session(action)).map_or(0, |last| last + 1);
        let back = |action: &Action| matches!(action, Action::Listen | Action::Connect(_));
        self.log.iter().skip(from).find(|(_, action)| back(action)).map(|(at, _)| *at)
    }

    /// When its last connection ended.
    pub fn disconnected_at(&self) -> Option<MonotonicInstant> {
        self.log
            .iter()
            .rev()
            .find(|(_, action)| matches!(action, Action::Disconnect | Action::Leave))
            .map(|(at, _)| *at)
    }

    pub fn did(&self, wanted: &Action) -> usize {
        self.log.iter().filter(|(_, action)| action == wanted).count()
    }

    fn handle(&mut self, now: MonotonicInstant, event: Event) {
        self.rules.event(&event);
        self.slave.handle(self.host.plan.clock.show(now), event);
    }

    fn advance(&mut self, now: MonotonicInstant, deeds: &mut Vec<Deed>) {
        let shown = self.host.plan.clock.show(now);
        self.slave.advance(shown);
        self.carry_out(now, deeds);
        if self.is_due(now) {
            // The end of a task may leave it with a master to dial, or others to end, at once.
            self.slave.advance(shown);
            self.carry_out(now, deeds);
        }
        assert!(!self.is_due(now), "its deadline does not go on");
    }

    fn is_due(&self, now: MonotonicInstant) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    fn host_event(&mut self, now: MonotonicInstant, event: HostEvent, deeds: &mut Vec<Deed>) {
        match event {
            HostEvent::Prepared(number) => {
                if let Some(result) = self.host.prepared(number) {
                    self.handle(now, Event::Prepared(result));
                }
            }
            HostEvent::Spawned(number) => {
                let silent = self.host.waits_for_instant(number);
                match self.host.spawn(now, number) {
                    None => {}
                    Some(Ok((after, end))) => {
                        deeds.push(Deed::Later(after, end));
                        if !silent {
                            self.handle(now, Event::Started(Ok(())));
                        }
                    }
                    Some(Err(reason)) => self.handle(now, Event::Started(Err(reason))),
                }
            }
            HostEvent::HeldTaskDied => {
                if self.host.lose_held_task() {
                    self.handle(now, Event::HeldTaskDied(Reason::new("it was killed")));
                }
            }
            HostEvent::Ended(number) => {
                if let Some(ended) = self.host.end(now, number) {
                    let stragglers = self.host.is_busy(now);
                    self.handle(now, Event::TaskEnded { ended, stragglers });
                }
            }
        }
    }

    fn carry_out(&mut self, now: MonotonicInstant, deeds: &mut Vec<Deed>) {
        while let Some(action) = self.slave.next_action() {
            self.rules.action(&action);
            self.act(now, &action, deeds);
            if !matches!(action, Action::SendOutput { .. }) {
                self.log.push((now, action));
            }
        }
    }

    fn act(&mut self, now: MonotonicInstant, action: &Action, deeds: &mut Vec<Deed>) {
        let later = |(after, event)| Deed::Later(after, event);
        match action {
            Action::Connect(_) => deeds.push(Deed::Connect),
            Action::Send(message) => deeds.push(Deed::Send(message.clone())),
            Action::Disconnect | Action::Leave => deeds.push(Deed::Close),
            Action::BeginConf(_) => self.host.begin_conf(),
            Action::StoreConf(bytes) => self.host.store(bytes),
            Action::EndConf => deeds.push(later(self.host.end_conf())),
            Action::Discard | Action::DropHeld | Action::Abandon => self.host.discard_conf(),
            Action::Hold { .. } => deeds.push(later(self.host.hold())),
            Action::Release { at } => {
                let at = at.map(|shown| self.host.plan.clock.when(shown));
                deeds.push(later(self.host.release(now, at)));
            }
            Action::Signal(signal) => deeds.extend(self.host.signal(now, *signal).map(later)),
            Action::Sample => {
                let stopped = self.host.plan.is_stopped;
                if let Some(progress) = self.host.sample(now) {
                    self.handle(now, Event::Sampled { progress, stopped });
                }
            }
            Action::SendOutput { fetch, is_over } => match self.host.fetch(now, *fetch, *is_over) {
                Some(messages) => deeds.extend(messages.into_iter().map(Deed::Send)),
                None => self.handle(now, Event::NoOutputYet(*fetch)),
            },
            Action::CheckStragglers if !self.host.is_busy(now) => self.handle(now, Event::StragglersGone),
            Action::Exit(_) => deeds.push(Deed::Exit),
            Action::Listen | Action::Tell(_) | Action::CheckStragglers => {}
        }
    }
}

impl Heard {
    /// A connection that its other end has closed.
    pub fn closed() -> Self {
        Self::Closed(Disconnect::Closed)
    }
}
