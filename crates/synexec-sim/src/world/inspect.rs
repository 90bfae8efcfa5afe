//! What a scenario asks of the clients, and of the world.

use std::time::Duration;

use synexec_proto::message::Message;
use synexec_proto::time::MonotonicInstant;
use synexec_session::master::Report;
use synexec_session::slave;

use super::World;
use crate::client::Client;
use crate::id::ClientId;
use crate::original::Original;
use crate::process_state::ProcessState;
use crate::slave::SimSlave;
use crate::time::{START, secs};

impl World {
    /// Runs a session to its end, and checks that all slaves are then back in discovery in time.
    ///
    /// # Panics
    ///
    /// If the session takes more than five minutes, if its report is wrong, or if a slave is not back in time.
    pub fn run_session(&mut self) -> Report {
        let report = self.run(secs(300));
        self.settle();
        self.assert_all_back_in_time();
        report
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> MonotonicInstant {
        self.timeline.now
    }

    /// Time from the beginning of the world to the end of the session.
    ///
    /// # Panics
    ///
    /// If the session is not over.
    #[must_use]
    pub fn over_after(&self) -> Duration {
        self.over_at.expect("the session is over").since(START)
    }

    /// All clients, in the order in which they were added.
    pub fn ids(&self) -> impl Iterator<Item = ClientId> + use<> {
        (0..).map(ClientId).take(self.clients.len())
    }

    /// A slave of ours.
    ///
    /// # Panics
    ///
    /// If the client is another kind of client.
    #[must_use]
    pub fn sim(&self, id: ClientId) -> &SimSlave {
        match &self.clients[id.index()].client {
            Client::Ours(slave) => slave,
            other => panic!("{other:?} is not a slave of ours"),
        }
    }

    /// A version 1 slave.
    ///
    /// # Panics
    ///
    /// If the client is another kind of client.
    #[must_use]
    pub fn v1(&self, id: ClientId) -> &Original {
        match &self.clients[id.index()].client {
            Client::Original(original) => original,
            other => panic!("{other:?} is not an original"),
        }
    }

    /// Slaves of ours whose process exists and whose host is not cut off.
    #[must_use]
    pub fn living_slaves(&self) -> Vec<ClientId> {
        let lives = |id: &ClientId| {
            let process = &self.clients[id.index()];
            matches!(process.client, Client::Ours(_))
                && process.state != ProcessState::Absent
                && !self.network.is_cut(*id)
        };
        self.ids().filter(lives).collect()
    }

    /// How many tasks have started, on all slaves and in all rounds.
    ///
    /// # Panics
    ///
    /// Never, with fewer than four billion tasks.
    #[must_use]
    pub fn tasks_started(&self) -> usize {
        let count = |process: &super::ClientProcess| match &process.client {
            Client::Ours(slave) => slave.host.runs.len(),
            Client::Original(original) => usize::try_from(original.runs).expect("runs are few"),
            Client::Stranger(_) | Client::Liar(_) => 0,
        };
        self.clients.iter().map(count).sum()
    }

    /// When a slave of ours sent such messages.
    #[must_use]
    pub fn said(&self, id: ClientId, matches: impl Fn(&Message) -> bool) -> Vec<Duration> {
        self.slave_did(id, |action| matches!(action, slave::Action::Send(message) if matches(message)))
    }

    /// When a slave of ours gave its user such notices.
    #[must_use]
    pub fn slave_told(&self, id: ClientId, matches: impl Fn(&slave::Notice) -> bool) -> Vec<Duration> {
        self.slave_did(id, |action| matches!(action, slave::Action::Tell(notice) if matches(notice)))
    }

    fn slave_did(&self, id: ClientId, matches: impl Fn(&slave::Action) -> bool) -> Vec<Duration> {
        self.sim(id).log.iter().filter(|(_, action)| matches(action)).map(|(at, _)| at.since(START)).collect()
    }

    /// Checks that a slave of ours has no task, and is in discovery or has exited.
    ///
    /// # Panics
    ///
    /// If it is not at rest.
    pub fn assert_at_rest(&self, id: ClientId) {
        let slave = self.sim(id);
        assert!(!slave.host.is_busy(self.timeline.now), "a task is left");
        assert!(slave.in_discovery_since().is_some() || slave.exit().is_some(), "the slave is not back in discovery");
    }

    /// Checks that a slave of ours has no task and was back in discovery at most a second after its session and its task
    /// had ended.
    ///
    /// # Panics
    ///
    /// If it was not.
    pub fn assert_back_in_time(&self, id: ClientId) {
        let slave = self.sim(id);
        assert!(!slave.host.is_busy(self.timeline.now), "a task is left");
        let back = slave.in_discovery_since().expect("the slave is back in discovery");
        let ended = slave.disconnected_at().max(slave.host.group_gone());
        assert!(
            ended.is_none_or(|ended| back.since(ended) <= secs(1)),
            "the slave was back after {:?}",
            back.since(START)
        );
    }

    /// Checks the same of all slaves of ours whose process exists and whose host is not cut off.
    ///
    /// # Panics
    ///
    /// If a slave was not back in time.
    pub fn assert_all_back_in_time(&self) {
        self.living_slaves().into_iter().for_each(|id| self.assert_back_in_time(id));
    }
}
