//! A slave of ours: the real state machine on a simulated host.

use std::net::{Ipv4Addr, SocketAddr};

use synexec_proto::message::Reason;
use synexec_proto::time::MonotonicInstant;
use synexec_session::slave::{Action, Event, ExitCause, Slave, SlaveSettings};

use crate::client_event::{ClientAction, ClientEvent, HostEvent};
use crate::host::Host;
use crate::plan::Plan;
use crate::slave_rules::SlaveRules;

/// The address of the master, as all slaves know it.
const MASTER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 254)), 5165);

/// A slave of ours: the real state machine on a simulated host.
#[derive(Debug)]
pub struct SimSlave {
    slave: Slave,
    rules: SlaveRules,
    /// The host of the slave.
    pub host: Host,
    /// All actions of the slave, each with its instant in the world's time, but without `SendOutput`: a slave looks at
    /// its output a thousand times an hour.
    pub log: Vec<(MonotonicInstant, Action)>,
}

impl SimSlave {
    pub(crate) fn new(settings: SlaveSettings, plan: Plan, boots: MonotonicInstant) -> Self {
        let slave = Slave::new(settings, plan.clock.show(boots));
        let rules = SlaveRules::default();
        Self { slave, rules, host: Host::new(plan), log: Vec::new() }
    }

    pub(crate) fn handle(&mut self, now: MonotonicInstant, event: ClientEvent) -> Vec<ClientAction> {
        let mut actions = Vec::new();
        match event {
            ClientEvent::Booted => {}
            ClientEvent::Due => self.advance(now, &mut actions),
            ClientEvent::Invited => self.tell(now, Event::Invited { master: MASTER }),
            ClientEvent::Connected => self.tell(now, Event::Connected { master: MASTER }),
            ClientEvent::Refused => self.tell(now, Event::ConnectFailed { why: "refused".into() }),
            ClientEvent::Received(frame) => {
                self.tell(now, Event::Received { frame, at: self.host.plan.clock.show(now) });
            }
            ClientEvent::Disconnected(why) => self.tell(now, Event::Disconnected(why)),
            ClientEvent::SecondReceived(frame) => self.tell(now, Event::SecondReceived { frame }),
            ClientEvent::SecondEnded(why) => self.tell(now, Event::SecondEnded(why)),
            ClientEvent::Shutdown(interrupt) => self.tell(now, Event::Shutdown(interrupt)),
            ClientEvent::Host(event) => self.host_event(now, event, &mut actions),
        }
        self.carry_out(now, &mut actions);
        self.rules.assert_settled();
        actions
    }

    /// The deadline of the slave, in the world's time.
    #[must_use]
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        self.slave.deadline().map(|shown| self.host.plan.clock.when(shown))
    }

    /// Why the slave has exited, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<ExitCause> {
        match self.log.last() {
            Some((_, Action::Exit(cause))) => Some(*cause),
            _ => None,
        }
    }

    /// Since when the slave is in discovery, if it is there.
    #[must_use]
    pub fn in_discovery_since(&self) -> Option<MonotonicInstant> {
        let in_session = |(place, (_, action)): (usize, &(_, Action))| match action {
            Action::Disconnect => self.ends_connection(place),
            action => matches!(action, Action::Send(_) | Action::Exit(_)),
        };
        let from = self.log.iter().enumerate().rev().find(|entry| in_session(*entry)).map_or(0, |(last, _)| last + 1);
        let back = |action: &Action| matches!(action, Action::Listen | Action::Connect(_));
        self.log.iter().skip(from).find(|(_, action)| back(action)).map(|(at, _)| *at)
    }

    /// When the last connection of the slave ended.
    #[must_use]
    pub fn disconnected_at(&self) -> Option<MonotonicInstant> {
        let ends = |(place, (_, action)): &(usize, &(_, Action))| match action {
            Action::Disconnect => self.ends_connection(*place),
            action => matches!(action, Action::Exit(_)),
        };
        self.log.iter().enumerate().rev().find(ends).map(|(_, (at, _))| *at)
    }

    /// Whether the action at this place of the log, which is to disconnect, ends a connection. A slave that listens only makes
    /// way for other slaves of its host.
    fn ends_connection(&self, place: usize) -> bool {
        let before = self.log[..place].iter().rev();
        let last =
            before.map(|(_, action)| action).find(|action| matches!(action, Action::Listen | Action::Connect(_)));
        !matches!(last, Some(Action::Listen))
    }

    /// How many times the slave took this action.
    #[must_use]
    pub fn did(&self, wanted: &Action) -> usize {
        self.log.iter().filter(|(_, action)| action == wanted).count()
    }

    fn tell(&mut self, now: MonotonicInstant, event: Event) {
        self.rules.event(&event);
        self.slave.handle(self.host.plan.clock.show(now), event);
    }

    fn advance(&mut self, now: MonotonicInstant, actions: &mut Vec<ClientAction>) {
        let shown = self.host.plan.clock.show(now);
        self.slave.advance(shown);
        self.carry_out(now, actions);
        if self.is_due(now) {
            // When its task ends, the slave may have to connect, or to kill the rest of the task's group, at once.
            self.slave.advance(shown);
            self.carry_out(now, actions);
        }
        assert!(!self.is_due(now), "the deadline of the slave stays in the past");
    }

    fn is_due(&self, now: MonotonicInstant) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    fn host_event(&mut self, now: MonotonicInstant, event: HostEvent, actions: &mut Vec<ClientAction>) {
        match event {
            HostEvent::Prepared(number) => {
                if let Some(result) = self.host.prepared(number) {
                    self.tell(now, Event::Prepared(result));
                }
            }
            HostEvent::Spawned(number) => {
                let silent = self.host.waits_for_instant(number);
                match self.host.spawn(now, number) {
                    None => {}
                    Some(Ok((after, end))) => {
                        actions.push(ClientAction::Later(after, end));
                        if !silent {
                            self.tell(now, Event::Started(Ok(())));
                        }
                    }
                    Some(Err(reason)) => self.tell(now, Event::Started(Err(reason))),
                }
            }
            HostEvent::HeldTaskDied => {
                if self.host.lose_held_task() {
                    self.tell(now, Event::HeldTaskDied(Reason::new("it was killed")));
                }
            }
            HostEvent::Ended(number) => {
                if let Some((run, output)) = self.host.end(now, number) {
                    let stragglers = self.host.is_busy(now);
                    self.tell(now, Event::TaskEnded { run, output: Box::new(output), stragglers });
                }
            }
        }
    }

    fn carry_out(&mut self, now: MonotonicInstant, actions: &mut Vec<ClientAction>) {
        while let Some(action) = self.slave.next_action() {
            self.rules.action(&action);
            self.act(now, &action, actions);
            if !matches!(action, Action::SendOutput { .. }) {
                self.log.push((now, action));
            }
        }
    }

    fn act(&mut self, now: MonotonicInstant, action: &Action, actions: &mut Vec<ClientAction>) {
        let later = |(after, event)| ClientAction::Later(after, event);
        match action {
            Action::Connect(_) => actions.push(ClientAction::Connect),
            Action::Send(message) => actions.push(ClientAction::Send(message.clone())),
            Action::ConnectSecond(_) => actions.push(ClientAction::ConnectSecond),
            Action::SendOnSecond(message) => actions.push(ClientAction::SendOnSecond(message.clone())),
            Action::CloseSecond => actions.push(ClientAction::CloseSecond),
            Action::UseSecond => actions.push(ClientAction::UseSecond),
            Action::Disconnect => actions.push(ClientAction::Close),
            Action::BeginConf(begin) => self.host.begin_conf(begin.as_ref().is_some_and(|begin| begin.separate)),
            Action::StoreConf(bytes) => self.host.store(bytes),
            Action::EndConf => actions.push(later(self.host.end_conf())),
            Action::Discard | Action::DropHeld | Action::Abandon => self.host.discard_conf(),
            Action::Hold { .. } => actions.push(later(self.host.hold())),
            Action::Release { at } => {
                let at = at.map(|shown| self.host.plan.clock.when(shown));
                actions.push(later(self.host.release(now, at)));
            }
            Action::Signal(signal) => actions.extend(self.host.signal(now, *signal).map(later)),
            Action::Sample => {
                let stopped = self.host.plan.is_stopped;
                if let Some(progress) = self.host.sample(now) {
                    self.tell(now, Event::Sampled { progress, stopped });
                }
            }
            Action::SendOutput { fetch, is_over } => match self.host.fetch(now, *fetch, *is_over) {
                Some(messages) => actions.extend(messages.into_iter().map(ClientAction::Send)),
                None => self.tell(now, Event::NoOutputYet(*fetch)),
            },
            Action::CheckStragglers if !self.host.is_busy(now) => self.tell(now, Event::StragglersGone),
            Action::Exit(_) => actions.extend([ClientAction::Close, ClientAction::Exit]),
            Action::Listen | Action::Tell(_) | Action::CheckStragglers => {}
        }
    }
}
