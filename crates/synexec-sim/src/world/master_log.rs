//! What the master did, and when: every time is counted from the beginning of the world.

use std::time::Duration;

use synexec_proto::message::{Fetch, Message, ResumeToken, TaskStream};
use synexec_proto::time::MonotonicInstant;
use synexec_session::master::{Action, Notice, OutputId, OutputStep, PeerId};

use super::World;
use super::act::link_of;
use crate::id::ClientId;
use crate::reports::row_of;
use crate::time::START;

impl World {
    /// When the master took such actions.
    #[must_use]
    pub fn master_did(&self, matches: impl Fn(&Action) -> bool) -> Vec<Duration> {
        self.master_actions(|action| matches(action).then_some(())).map(|(at, ())| at).collect()
    }

    /// When the master gave the first such notice.
    #[must_use]
    pub fn told(&self, matches: impl Fn(&Notice) -> bool) -> Option<Duration> {
        self.all_told(matches).first().copied()
    }

    /// When the master gave such notices.
    #[must_use]
    pub fn all_told(&self, matches: impl Fn(&Notice) -> bool) -> Vec<Duration> {
        self.master_did(|action| matches!(action, Action::Tell(notice) if matches(notice)))
    }

    /// When the master sent a client such messages.
    #[must_use]
    pub fn sent_to(&self, id: ClientId, matches: impl Fn(&Message) -> bool) -> Vec<Duration> {
        self.master_did(
            |action| matches!(action, Action::Send { peer, message } if self.is_peer(id, *peer) && matches(message)),
        )
    }

    /// When the master told clients to start: an original by EXEC, a slave of ours by GO.
    #[must_use]
    pub fn execs(&self) -> Vec<Duration> {
        let starts = |message: &Message| matches!(message, Message::Exec(None) | Message::Go);
        self.master_did(|action| matches!(action, Action::Send { message, .. } if starts(message)))
    }

    /// The instant that the master announced last for the start of the tasks.
    ///
    /// # Panics
    ///
    /// If the master has announced none.
    #[must_use]
    pub fn instant(&self) -> MonotonicInstant {
        let announced = |(at, action): &(MonotonicInstant, Action)| match action {
            Action::Tell(Notice::Starting { ahead, .. }) => Some(at.plus(*ahead)),
            _ => None,
        };
        self.master.log.iter().rev().find_map(announced).expect("the master announced an instant")
    }

    /// The token that the master gave the slave of this rank.
    ///
    /// # Panics
    ///
    /// If the master gave it none.
    #[must_use]
    pub fn token_of(&self, rank: u32) -> ResumeToken {
        let given = |action: &Action| match action {
            Action::SendConf { begin: Some(begin), .. } if begin.rank == rank => begin.token,
            _ => None,
        };
        let (_, token) = self.master_actions(given).next().expect("the master gave the slave a token");
        token
    }

    /// The pieces of a client's output that the master asked for.
    #[must_use]
    pub fn fetches_of(&self, id: ClientId) -> Vec<(Duration, Fetch)> {
        let fetch = |action: &Action| match action {
            Action::Send { peer, message: Message::Fetch(fetch) } if self.is_peer(id, *peer) => Some(*fetch),
            _ => None,
        };
        self.master_actions(fetch).collect()
    }

    /// What the master did with a client's output.
    ///
    /// # Panics
    ///
    /// If the session is not over.
    #[must_use]
    pub fn steps_of(&self, id: ClientId) -> Vec<(Duration, &OutputStep)> {
        self.stream_steps(id).map(|(at, _, step)| (at, step)).collect()
    }

    /// What the master did with a stream of a client.
    ///
    /// # Panics
    ///
    /// If the session is not over.
    #[must_use]
    pub fn steps_of_stream(&self, id: ClientId, stream: TaskStream) -> Vec<(Duration, &OutputStep)> {
        self.stream_steps(id).filter(|(_, of, _)| *of == stream).map(|(at, _, step)| (at, step)).collect()
    }

    fn stream_steps(&self, id: ClientId) -> impl Iterator<Item = (Duration, TaskStream, &OutputStep)> {
        self.master.log.iter().filter_map(move |(at, action)| match action {
            Action::Output { id: output, step, .. } if self.is_of(id, *output) => {
                Some((at.since(START), output.stream, step))
            }
            _ => None,
        })
    }

    /// The most outputs that were fetched at one time, each from the request of its first byte to the notice of its end.
    #[must_use]
    pub fn most_underway(&self) -> usize {
        let (mut underway, mut most) = (0, 0);
        for (_, action) in &self.master.log {
            match action {
                Action::Send { message: Message::Fetch(Fetch { offset: 0, .. }), .. } => underway += 1,
                Action::Tell(Notice::Fetched { .. }) => underway -= 1,
                _ => {}
            }
            most = most.max(underway);
        }
        most
    }

    /// The bytes that were fetched of an output, and its last step, if it has ended.
    #[must_use]
    pub fn fetched(&self, round: u32, rank: u32) -> Option<&(Vec<u8>, Option<OutputStep>)> {
        self.fetched_of(TaskStream::Output, round, rank)
    }

    /// The bytes that were fetched of a stream, and its last step, if it has ended.
    #[must_use]
    pub fn fetched_of(&self, stream: TaskStream, round: u32, rank: u32) -> Option<&(Vec<u8>, Option<OutputStep>)> {
        self.master.outputs.get(&OutputId { round, rank, stream })
    }

    /// The conf that the master sends.
    #[must_use]
    pub fn conf(&self) -> &[u8] {
        &self.master.conf
    }

    fn master_actions<T>(&self, select: impl Fn(&Action) -> Option<T>) -> impl Iterator<Item = (Duration, T)> {
        self.master.log.iter().filter_map(move |(at, action)| Some((at.since(START), select(action)?)))
    }

    /// Whether the report says that an output is this client's.
    fn is_of(&self, id: ClientId, output: OutputId) -> bool {
        let report = self.master.report().expect("the session is over");
        row_of(report, id).is_some_and(|row| row.rank == output.rank)
    }

    fn is_peer(&self, id: ClientId, peer: PeerId) -> bool {
        self.network.client(link_of(peer)) == id
    }
}
