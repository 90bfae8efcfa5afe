//! What a scenario looks at when all is over.

use std::collections::BTreeSet;
use std::time::Duration;

use synexec_proto::message::{Fetch, Message, ResumeToken};
use synexec_proto::time::MonotonicInstant;
use synexec_session::master::{self, Notice, Outcome, OutputId, OutputStep, PeerId, Report, Row, Verdict};
use synexec_session::slave;

use crate::client::Client;
use crate::network::{address, link_of};
use crate::original::Original;
use crate::plan::Plan;
use crate::slave::SimSlave;
use crate::time::{START, secs};
use crate::world::{Id, Power, World};

/// Runs a session to its end, after which all slaves are free.
pub fn session(world: &mut World) -> Report {
    let report = world.run(secs(300));
    world.settle();
    world.all_are_back_in_time();
    report
}

/// Every slave of the session is one row, in the order of ranks.
pub fn rows_are_complete(report: &Report, slaves: usize) {
    let addresses: BTreeSet<_> = report.rows().iter().map(|row| row.slave.address).collect();
    assert_eq!((report.rows().len(), addresses.len()), (slaves, slaves), "{report:?}");
    assert!((0..).zip(report.rows()).all(|(rank, row)| row.rank == rank), "{report:?}");
}

/// The verdict is what the rows say.
pub fn verdict_follows(report: &Report) {
    let rows = || report.rounds.iter().flat_map(|round| &round.rows);
    let any = |wanted: fn(&Outcome) -> bool| rows().any(|row| wanted(&row.outcome));
    let failed = any(|outcome| outcome.has_ended() && !outcome.has_succeeded());
    let declined = any(|outcome| matches!(outcome, Outcome::Declined(_)));
    let lost = any(|outcome| matches!(outcome, Outcome::Lost { .. })) || rows().any(Row::has_lost_output);
    let cancelled = any(|outcome| *outcome == Outcome::Cancelled);
    let follows = match report.verdict {
        Verdict::Succeeded | Verdict::SkewExceeded => !failed && !declined && !lost && !cancelled,
        Verdict::TaskFailed => failed && !declined && !lost && !cancelled,
        Verdict::Declined => declined,
        // Their time may be over before an original was told to start.
        Verdict::Lost => (lost || cancelled) && !declined,
        Verdict::NotEnoughSlaves => !failed && !declined && !lost,
        Verdict::MasterFailed => !failed || rows().any(Row::has_lost_output),
        Verdict::Interrupted(_) => true,
    };
    assert!(follows, "{report:?}");
}

/// A slave's row, if it took part.
pub fn row_of(report: &Report, id: Id) -> Option<&Row> {
    report.rows().iter().find(|row| row.slave.address == address(id))
}

/// What became of a slave that took part.
pub fn outcome_of(report: &Report, id: Id) -> &Outcome {
    &row_of(report, id).expect("it took part").outcome
}

impl World {
    pub fn sim(&self, id: Id) -> &SimSlave {
        match &self.seats[usize::from(id.0)].client {
            Client::Ours(slave) => slave,
            other => panic!("{other:?} is not ours"),
        }
    }

    /// What a slave of ours and its host will do, to be changed before it happens.
    pub fn sim_plan(&mut self, id: Id) -> &mut Plan {
        &mut self.sim_mut(id).host.plan
    }

    /// The present instant.
    pub fn time(&self) -> MonotonicInstant {
        self.now
    }

    pub(crate) fn sim_mut(&mut self, id: Id) -> &mut SimSlave {
        match &mut self.seat(id).client {
            Client::Ours(slave) => slave,
            other => panic!("{other:?} is not ours"),
        }
    }

    pub fn v1(&self, id: Id) -> &Original {
        match &self.seats[usize::from(id.0)].client {
            Client::Original(original) => original,
            other => panic!("{other:?} is no original"),
        }
    }

    pub fn ids(&self) -> impl Iterator<Item = Id> + use<> {
        (0..u8::try_from(self.seats.len()).expect("clients are few")).map(Id)
    }

    /// Slaves of ours whose process lives and whose host has a network.
    pub fn living_slaves(&self) -> Vec<Id> {
        let living = |id: &Id| {
            let seat = &self.seats[usize::from(id.0)];
            matches!(seat.client, Client::Ours(_)) && seat.power != Power::Off && !seat.cut
        };
        self.ids().filter(living).collect()
    }

    pub fn tasks_started(&self) -> usize {
        let count = |seat: &crate::world::Seat| match &seat.client {
            Client::Ours(slave) => slave.host.runs.len(),
            Client::Original(original) => usize::try_from(original.runs).expect("few"),
            Client::Stranger(_) | Client::Liar(_) => 0,
        };
        self.seats.iter().map(count).sum()
    }

    /// A slave has no task, and is in discovery.
    pub fn is_at_rest(&self, id: Id) {
        let slave = self.sim(id);
        assert!(!slave.host.is_busy(self.now), "a task is left");
        assert!(slave.in_discovery_since().is_some() || slave.exit().is_some(), "it is not back in discovery");
    }

    /// A slave has no task and is back in discovery, since at most a second after its session and its task ended.
    pub fn is_back_in_time(&self, id: Id) {
        let slave = self.sim(id);
        assert!(!slave.host.is_busy(self.now), "a task is left");
        let back = slave.in_discovery_since().expect("it is back in discovery");
        let ended = slave.disconnected_at().max(slave.host.group_gone());
        assert!(ended.is_none_or(|ended| back.since(ended) <= secs(1)), "it took {:?}", back.since(START));
    }

    pub fn all_are_back_in_time(&self) {
        self.living_slaves().into_iter().for_each(|id| self.is_back_in_time(id));
    }

    /// When the session was over.
    pub fn over_after(&self) -> Duration {
        since_start(self.over_at.expect("it is over"))
    }

    /// When the master first told this.
    pub fn told(&self, wanted: impl Fn(&Notice) -> bool) -> Option<Duration> {
        self.all_told(wanted).first().copied()
    }

    /// Whenever the master told this.
    pub fn all_told(&self, wanted: impl Fn(&Notice) -> bool) -> Vec<Duration> {
        self.master_did(|action| matches!(action, master::Action::Tell(notice) if wanted(notice)))
    }

    /// The instant that the start was last ordered for.
    pub fn instant(&self) -> MonotonicInstant {
        let ordered = |(at, action): &(MonotonicInstant, master::Action)| match action {
            master::Action::Tell(Notice::Starting { ahead, .. }) => Some(at.plus(*ahead)),
            _ => None,
        };
        self.master.log.iter().rev().find_map(ordered).expect("a start was ordered")
    }

    /// When the master told somebody to start: an original, or one of ours by the last word.
    pub fn execs(&self) -> Vec<Duration> {
        let starts = |message: &Message| matches!(message, Message::Exec(None) | Message::Go);
        self.master_did(|action| matches!(action, master::Action::Send { message, .. } if starts(message)))
    }

    pub fn master_did(&self, wanted: impl Fn(&master::Action) -> bool) -> Vec<Duration> {
        self.master.log.iter().filter(|(_, action)| wanted(action)).map(|(at, _)| since_start(*at)).collect()
    }

    /// When the master sent a client such a message.
    pub fn sent_to(&self, id: Id, wanted: impl Fn(&Message) -> bool) -> Vec<Duration> {
        self.master_did(|action| {
            matches!(action, master::Action::Send { peer, message } if self.is_peer(id, *peer) && wanted(message))
        })
    }

    /// When a slave of ours said something like this.
    pub fn said(&self, id: Id, wanted: impl Fn(&Message) -> bool) -> Vec<Duration> {
        let says = |action: &slave::Action| matches!(action, slave::Action::Send(message) if wanted(message));
        self.sim(id).log.iter().filter(|(_, action)| says(action)).map(|(at, _)| since_start(*at)).collect()
    }

    /// When a slave of ours told its user something like this.
    pub fn slave_told(&self, id: Id, wanted: impl Fn(&slave::Notice) -> bool) -> Vec<Duration> {
        let tells = |action: &slave::Action| matches!(action, slave::Action::Tell(notice) if wanted(notice));
        self.sim(id).log.iter().filter(|(_, action)| tells(action)).map(|(at, _)| since_start(*at)).collect()
    }

    /// The token that the master gave to the slave of this rank.
    pub fn token_of(&self, rank: u32) -> ResumeToken {
        let token = |(_, action): &(MonotonicInstant, master::Action)| match action {
            master::Action::SendConf { begin: Some(begin), .. } if begin.rank == rank => begin.token,
            _ => None,
        };
        self.master.log.iter().find_map(token).expect("it was given one")
    }

    /// What the master asked for of a client's output, and when.
    pub fn fetches_of(&self, id: Id) -> Vec<(Duration, Fetch)> {
        let fetch = |(at, action): &(MonotonicInstant, master::Action)| match action {
            master::Action::Send { peer, message: Message::Fetch(fetch) } if self.is_peer(id, *peer) => {
                Some((since_start(*at), *fetch))
            }
            _ => None,
        };
        self.master.log.iter().filter_map(fetch).collect()
    }

    /// When each step was taken with a client's output, and which.
    pub fn steps_of(&self, id: Id) -> Vec<(Duration, &OutputStep)> {
        let steps = self.master.log.iter().filter_map(|(at, action)| match action {
            master::Action::Output { id: output, step, .. } if self.is_of(id, *output) => {
                Some((since_start(*at), step))
            }
            _ => None,
        });
        steps.collect()
    }

    /// The most outputs that were on their way at the same time, each from its first byte until it was told to be here.
    pub fn most_underway(&self) -> usize {
        let (mut underway, mut most) = (0, 0);
        for (_, action) in &self.master.log {
            match action {
                master::Action::Send { message: Message::Fetch(Fetch { offset: 0, .. }), .. } => underway += 1,
                master::Action::Tell(Notice::Fetched { .. }) => underway -= 1,
                _ => {}
            }
            most = most.max(underway);
        }
        most
    }

    /// Whether this is a client's output, by the report.
    fn is_of(&self, id: Id, output: OutputId) -> bool {
        let report = self.master.report().expect("it is over");
        row_of(report, id).is_some_and(|row| row.rank == output.rank)
    }

    fn is_peer(&self, id: Id, peer: PeerId) -> bool {
        self.links[link_of(peer)].client == id
    }

    /// What was fetched of an output, and how that ended.
    pub fn fetched(&self, round: u32, rank: u32) -> Option<&(Vec<u8>, Option<OutputStep>)> {
        self.master.outputs.get(&OutputId { round, rank })
    }

    pub fn conf(&self) -> &[u8] {
        &self.master.conf
    }
}

fn since_start(at: MonotonicInstant) -> Duration {
    at.since(START)
}
